package hclfile

import (
	"encoding/csv"
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// given is the value that a variable has from outside: of the command line, or else
// of the environment, as NAME or as JSON in NAME_JSON. It has the type that the file
// declares, or that of the default.
func (e *evaluator) given(name string, standard cty.Value, want cty.Type) (v cty.Value, ok bool, err error) {
	declared := want != cty.NilType
	if !declared {
		want = standard.Type()
	}
	word, ok := e.env.Vars[name]
	if !ok {
		if declared {
			if doc, ok := e.lookup(name + "_JSON"); ok {
				v, err := ctyjson.Unmarshal([]byte(doc), want)
				return v, true, err
			}
		}
		if word, ok = e.lookup(name); !ok {
			return v, false, nil
		}
	}
	v, err = fromText(word, want)
	return v, true, err
}

func (e *evaluator) lookup(name string) (string, bool) {
	if e.env.Lookup == nil {
		return "", false
	}
	return e.env.Lookup(name)
}

// fromText reads a value of a type: a word, or a list in the form of CSV.
func fromText(word string, want cty.Type) (cty.Value, error) {
	switch {
	case want == cty.DynamicPseudoType || want == cty.NilType:
		return cty.StringVal(word), nil
	case want.IsPrimitiveType():
		return convert.Convert(cty.StringVal(word), want)
	case want.IsListType() || want.IsSetType() || want.IsTupleType():
		if want.IsTupleType() || want.ElementType().IsPrimitiveType() || want.ElementType() == cty.DynamicPseudoType {
			return fromList(word, want)
		}
	}
	return cty.NilVal, errdefs.Errorf(errdefs.ErrUnsupported,
		"a text cannot be a %s: set NAME_JSON instead, which takes JSON", want.FriendlyName())
}

func fromList(word string, want cty.Type) (cty.Value, error) {
	fields := []string{}
	if word != "" {
		var err error
		if fields, err = csv.NewReader(strings.NewReader(word)).Read(); err != nil {
			return cty.NilVal, err
		}
	}
	items := make([]cty.Value, len(fields))
	for i, f := range fields {
		items[i] = cty.StringVal(strings.TrimSpace(f))
	}
	return convert.Convert(cty.TupleVal(items), want)
}

// describe is a variable for people.
func (e *evaluator) describe(name string) (definition.Variable, error) {
	v := definition.Variable{Name: name}
	block := e.doc.variables[name]
	if attr := block.attrs["type"]; attr != nil {
		ty, diags := typeexpr.TypeConstraint(attr.Expr)
		if diags.HasErrors() {
			return v, diags
		}
		v.Type = ty.FriendlyName()
	}
	if attr := block.attrs["description"]; attr != nil {
		value, err := e.value(attr.Expr, nil)
		if err != nil {
			return v, err
		}
		if v.Description, err = text(value); err != nil {
			return v, mistake(attr.Range, "description: %v", err)
		}
	}
	value, _, err := e.named(name)
	if err != nil {
		return v, err
	}
	v.Value = shown(value)
	return v, nil
}

// shown is a value as a text.
func shown(v cty.Value) string {
	if v.IsNull() {
		return "<null>"
	}
	if v.Type().IsPrimitiveType() {
		if s, err := text(v); err == nil {
			return s
		}
	}
	data, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		return v.Type().FriendlyName()
	}
	var compact json.RawMessage = data
	return string(compact)
}
