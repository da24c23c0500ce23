package hclfile

import (
	"os"
	"path"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/hashicorp/go-cty-funcs/crypto"
	"github.com/hashicorp/go-cty-funcs/encoding"
	"github.com/hashicorp/go-cty-funcs/uuid"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"cove/errdefs"
)

// standardFunctions are those that every file can call: buildx's by name.
func standardFunctions() map[string]function.Function {
	return map[string]function.Function{
		"absolute": stdlib.AbsoluteFunc, "add": stdlib.AddFunc, "and": stdlib.AndFunc,
		"base64decode": encoding.Base64DecodeFunc, "base64encode": encoding.Base64EncodeFunc,
		"basename": textFunc(path.Base), "bcrypt": crypto.BcryptFunc,
		"byteslen": stdlib.BytesLenFunc, "bytesslice": stdlib.BytesSliceFunc, "can": tryfunc.CanFunc,
		"ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "chunklist": stdlib.ChunklistFunc,
		"cidrhost": cidr.HostFunc, "cidrnetmask": cidr.NetmaskFunc,
		"cidrsubnet": cidr.SubnetFunc, "cidrsubnets": cidr.SubnetsFunc,
		"coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
		"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "convert": typeexpr.ConvertFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "dirname": textFunc(path.Dir), "distinct": stdlib.DistinctFunc,
		"divide": stdlib.DivideFunc, "element": stdlib.ElementFunc, "equal": stdlib.EqualFunc,
		"flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc, "format": stdlib.FormatFunc,
		"formatdate": stdlib.FormatDateFunc, "formatlist": stdlib.FormatListFunc,
		"formattimestamp": formatTimestampFunc(), "greaterthan": stdlib.GreaterThanFunc,
		"greaterthanorequalto": stdlib.GreaterThanOrEqualToFunc, "hasindex": stdlib.HasIndexFunc,
		"homedir": homeDirFunc(), "indent": stdlib.IndentFunc, "index": stdlib.IndexFunc, "indexof": indexOfFunc(),
		"int": stdlib.IntFunc, "join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc,
		"lessthan": stdlib.LessThanFunc, "lessthanorequalto": stdlib.LessThanOrEqualToFunc, "log": stdlib.LogFunc,
		"lookup": stdlib.LookupFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "md5": crypto.Md5Func,
		"merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "modulo": stdlib.ModuloFunc,
		"multiply": stdlib.MultiplyFunc, "negate": stdlib.NegateFunc, "not": stdlib.NotFunc,
		"notequal": stdlib.NotEqualFunc, "or": stdlib.OrFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"range": stdlib.RangeFunc, "regex": stdlib.RegexFunc, "regex_replace": stdlib.RegexReplaceFunc,
		"regexall": stdlib.RegexAllFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseFunc,
		"reverselist": stdlib.ReverseListFunc, "rsadecrypt": crypto.RsaDecryptFunc, "sanitize": textFunc(sanitize),
		"semvercmp": semverFunc(), "sethaselement": stdlib.SetHasElementFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
		"setunion": stdlib.SetUnionFunc, "sha1": crypto.Sha1Func, "sha256": crypto.Sha256Func,
		"sha512": crypto.Sha512Func, "signum": stdlib.SignumFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"subtract": stdlib.SubtractFunc, "timeadd": stdlib.TimeAddFunc, "timestamp": timestampFunc(),
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc,
		"unixtimestampparse": unixTimestampFunc(), "upper": stdlib.UpperFunc, "urlencode": encoding.URLEncodeFunc,
		"uuidv4": uuid.V4Func, "uuidv5": uuid.V5Func, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}

// textFunc makes a function of a text of a Go function.
func textFunc(do func(string) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(do(args[0].AsString())), nil
		},
	})
}

// sanitize makes a target's name of a text.
func sanitize(s string) string {
	return strings.Map(func(r rune) rune {
		if validInName(r) {
			return r
		}
		return '_'
	}, s)
}

func homeDirFunc() function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			home, err := os.UserHomeDir()
			return cty.StringVal(home), err
		},
	})
}

func timestampFunc() function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.StringVal(time.Now().UTC().Format(time.RFC3339)), nil
		},
	})
}

// semverFunc says whether a version meets a constraint.
func semverFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "version", Type: cty.String}, {Name: "constraint", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			version, err := semver.NewVersion(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			constraint, err := semver.NewConstraint(args[1].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.BoolVal(constraint.Check(version)), nil
		},
	})
}

// indexOfFunc finds where a list has a value.
func indexOfFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType},
		},
		Type: function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !isList(args[0]) {
				return cty.NilVal, errdefs.Errorf(errdefs.ErrInvalid, "the first argument must be a list")
			}
			for i, item := range args[0].AsValueSlice() {
				if same, err := stdlib.Equal(item, args[1]); err == nil && same.IsKnown() && same.True() {
					return cty.NumberIntVal(int64(i)), nil
				}
			}
			return cty.NilVal, errdefs.Errorf(errdefs.ErrNotFound, "the list has no such element")
		},
	})
}

// formatTimestampFunc formats seconds since 1970, or a time as RFC 3339 writes it. The
// format is that of formatdate; X is the seconds.
func formatTimestampFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "format", Type: cty.String}, {Name: "time", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := timeOf(args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if args[0].AsString() == "X" {
				return stdlib.Format(cty.StringVal("%d"), cty.NumberIntVal(t.Unix()))
			}
			return stdlib.FormatDate(args[0], cty.StringVal(t.Format(time.RFC3339)))
		},
	})
}

func timeOf(v cty.Value) (time.Time, error) {
	if v.Type() == cty.Number {
		sec, _ := v.AsBigFloat().Int64()
		return time.Unix(sec, 0).UTC(), nil
	}
	s, err := text(v)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, s)
}

// unixTimestampFunc takes seconds since 1970 apart.
func unixTimestampFunc() function.Function {
	parts := cty.Object(map[string]cty.Type{
		"year": cty.Number, "year_day": cty.Number, "day": cty.Number, "month": cty.Number, "month_name": cty.String,
		"weekday": cty.Number, "weekday_name": cty.String, "hour": cty.Number, "minute": cty.Number,
		"second": cty.Number, "rfc3339": cty.String, "iso_year": cty.Number, "iso_week": cty.Number,
	})
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "seconds", Type: cty.Number}},
		Type:   function.StaticReturnType(parts),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := timeOf(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			number := func(n int) cty.Value { return cty.NumberIntVal(int64(n)) }
			isoYear, isoWeek := t.ISOWeek()
			return cty.ObjectVal(map[string]cty.Value{
				"year": number(t.Year()), "year_day": number(t.YearDay()), "day": number(t.Day()),
				"month": number(int(t.Month())), "month_name": cty.StringVal(t.Month().String()),
				"weekday": number(int(t.Weekday())), "weekday_name": cty.StringVal(t.Weekday().String()),
				"hour": number(t.Hour()), "minute": number(t.Minute()), "second": number(t.Second()),
				"rfc3339":  cty.StringVal(t.Format(time.RFC3339)),
				"iso_year": number(isoYear), "iso_week": number(isoWeek),
			}), nil
		},
	})
}

// userFunction is a function that a file defines: params, variadic_params, result.
func (e *evaluator) userFunction(b *hcl.Block) (f function.Function, err error) {
	content, diags := b.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "params", Required: true}, {Name: "variadic_params"}, {Name: "result", Required: true},
	}})
	if diags.HasErrors() {
		return f, diags
	}
	spec := &function.Spec{}
	list, diags := hcl.ExprList(content.Attributes["params"].Expr)
	if diags.HasErrors() {
		return f, diags
	}
	parameter := func(expr hcl.Expression) function.Parameter {
		return function.Parameter{Name: keyword(expr), Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true}
	}
	for _, expr := range list {
		spec.Params = append(spec.Params, parameter(expr))
	}
	rest := ""
	if attr := content.Attributes["variadic_params"]; attr != nil {
		p := parameter(attr.Expr)
		spec.VarParam, rest = &p, p.Name
	}
	result := content.Attributes["result"].Expr
	call := func(args []cty.Value) (cty.Value, error) {
		with := map[string]cty.Value{}
		for i, p := range spec.Params {
			with[p.Name] = args[i]
		}
		if rest != "" {
			with[rest] = cty.TupleVal(args[len(spec.Params):])
		}
		return e.value(result, with)
	}
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		v, err := e.limited(b, func() (cty.Value, error) { return call(args) })
		if err != nil {
			return cty.NilType, err
		}
		return v.Type(), nil
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return e.limited(b, func() (cty.Value, error) { return call(args) })
	}
	return function.New(spec), nil
}

// deepestCall bounds functions that call themselves.
const deepestCall = 64

// limited evaluates a function's result.
func (e *evaluator) limited(b *hcl.Block, do func() (cty.Value, error)) (cty.Value, error) {
	if e.depth++; e.depth > deepestCall {
		e.depth--
		return cty.NilVal, errdefs.Errorf(errdefs.ErrInvalid, "the function %s calls itself too often", b.Labels[0])
	}
	defer func() { e.depth-- }()
	return do()
}
