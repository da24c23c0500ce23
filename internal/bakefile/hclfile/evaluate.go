package hclfile

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// evaluator finds the values of a document's expressions. Each name is evaluated when
// something first refers to it.
type evaluator struct {
	doc       *document
	env       definition.Environment
	values    map[string]cty.Value
	functions map[string]function.Function
	targets   map[string][]*instance // by name, in the order of the files
	names     []string               // of targets, in that order
	groups    []*definition.Group    // those that a matrix makes
	busy      []string               // what is being evaluated
	depth     int                    // of calls of functions
}

// instance is one target of a block: several with a matrix.
type instance struct {
	name  string
	attrs hcl.Attributes
	with  map[string]cty.Value // what its matrix sets
}

func newEvaluator(doc *document, env definition.Environment) (*evaluator, error) {
	e := &evaluator{
		doc: doc, env: env, functions: standardFunctions(), targets: map[string][]*instance{},
		values: map[string]cty.Value{
			"BAKE_CMD_CONTEXT":    cty.StringVal("cwd://"),
			"BAKE_LOCAL_PLATFORM": cty.StringVal(env.Platform),
		},
	}
	for _, b := range doc.functions {
		f, err := e.userFunction(b)
		if err != nil {
			return nil, err
		}
		e.functions[b.Labels[0]] = f
	}
	for _, b := range doc.targets {
		if err := e.expand(b); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// define evaluates all targets, groups and variables into a definition.
func (e *evaluator) define(d *definition.Definition) error {
	for _, name := range slices.Sorted(slices.Values(e.doc.order)) {
		v, err := e.describe(name)
		if err != nil {
			return err
		}
		d.Variables = append(d.Variables, v)
	}
	for _, name := range e.names {
		for _, in := range e.targets[name] {
			t, err := e.target(in)
			if err != nil {
				return err
			}
			d.Add(t)
		}
	}
	for _, b := range e.doc.groups {
		g, err := e.group(b)
		if err != nil {
			return err
		}
		d.AddGroup(g)
	}
	for _, g := range e.groups {
		d.AddGroup(g)
	}
	return nil
}

// value evaluates an expression, after what it refers to; with are names besides
// those of the document.
func (e *evaluator) value(expr hcl.Expression, with map[string]cty.Value) (cty.Value, error) {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: e.functions}
	targets := map[string]cty.Value{}
	for _, ref := range expr.Variables() {
		root := ref.RootName()
		if v, ok := with[root]; ok {
			ctx.Variables[root] = v
			continue
		}
		if root == "target" && len(ref) > 1 {
			if err := e.reference(ref, targets); err != nil {
				return cty.NilVal, err
			}
			ctx.Variables[root] = cty.ObjectVal(targets)
			continue
		}
		v, known, err := e.named(root)
		if err != nil {
			return cty.NilVal, err
		}
		if known {
			ctx.Variables[root] = v
		}
	}
	v, diags := expr.Value(ctx)
	return v, checked(diags)
}

// reference evaluates the attribute of a target that target.NAME.ATTRIBUTE names.
func (e *evaluator) reference(ref hcl.Traversal, into map[string]cty.Value) error {
	name := stepName(ref[1])
	all := e.targets[name]
	if len(all) == 0 {
		return mistake(ref.SourceRange(), "there is no target %q", name)
	}
	what := ""
	if len(ref) > 2 {
		what = stepName(ref[2])
	}
	object := map[string]cty.Value{"name": cty.StringVal(name)}
	if have, ok := into[name]; ok {
		object = have.AsValueMap()
	}
	for _, in := range all {
		for key, attr := range in.attrs {
			if key == "matrix" || key == "name" || what != "" && key != what {
				continue
			}
			v, err := e.guarded("target."+name+"."+key, attr.Range, func() (cty.Value, error) {
				return e.value(attr.Expr, in.with)
			})
			if err != nil {
				return err
			}
			object[key] = v
		}
	}
	into[name] = cty.ObjectVal(object)
	return nil
}

func stepName(step hcl.Traverser) string {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString()
		}
	}
	return ""
}

// guarded evaluates what must not refer to itself.
func (e *evaluator) guarded(name string, at hcl.Range, do func() (cty.Value, error)) (cty.Value, error) {
	if slices.Contains(e.busy, name) {
		return cty.NilVal, mistake(at, "%s refers to itself", name)
	}
	e.busy = append(e.busy, name)
	defer func() { e.busy = e.busy[:len(e.busy)-1] }()
	return do()
}

// named is the value of a variable, or of an attribute of the top level.
func (e *evaluator) named(name string) (v cty.Value, known bool, err error) {
	if v, ok := e.values[name]; ok {
		return v, true, nil
	}
	attr, variable := e.doc.attrs[name], e.doc.variables[name]
	if attr == nil && variable == nil {
		given, ok := e.env.Vars[name]
		return cty.StringVal(given), ok, nil
	}
	var at hcl.Range
	if attr != nil {
		at = attr.Range
	} else {
		at = variable.block.DefRange
	}
	v, err = e.guarded(name, at, func() (cty.Value, error) { return e.evaluate(name, attr, variable) })
	if err != nil {
		return v, true, err
	}
	e.values[name] = v
	if variable != nil {
		err = e.validate(name, variable)
	}
	return v, true, err
}

// evaluate finds what a name is worth: what the environment says goes before what the
// file says, where it declares a variable.
func (e *evaluator) evaluate(name string, attr *hcl.Attribute, variable *variableBlock) (v cty.Value, err error) {
	if attr == nil {
		attr = variable.attrs["default"]
	}
	want := cty.NilType
	if variable != nil && variable.attrs["type"] != nil {
		var diags hcl.Diagnostics
		want, diags = typeexpr.TypeConstraint(variable.attrs["type"].Expr)
		if diags.HasErrors() {
			return v, diags
		}
	}
	v = cty.StringVal("")
	if want != cty.NilType {
		v = cty.NullVal(want)
	}
	if attr != nil {
		if v, err = e.value(attr.Expr, nil); err != nil {
			return v, err
		}
		if want != cty.NilType {
			if v, err = convert.Convert(v, want); err != nil {
				return v, mistake(attr.Range, "%s is not of its type: %v", name, err)
			}
		}
	}
	if variable == nil {
		return v, nil
	}
	given, ok, err := e.given(name, v, want)
	if err != nil {
		return v, mistake(variable.block.DefRange, "the value given to %s: %v", name, err)
	}
	if ok {
		v = given
	}
	return v, nil
}

// validate checks a variable by the conditions of its block.
func (e *evaluator) validate(name string, variable *variableBlock) error {
	for _, b := range variable.validations {
		content, diags := b.Body.Content(&hcl.BodySchema{
			Attributes: []hcl.AttributeSchema{{Name: "condition", Required: true}, {Name: "error_message"}},
		})
		if diags.HasErrors() {
			return diags
		}
		condition := content.Attributes["condition"]
		v, err := e.value(condition.Expr, nil)
		if err != nil {
			return err
		}
		if v, err = convert.Convert(v, cty.Bool); err != nil || v.IsNull() || !v.IsKnown() {
			return mistake(condition.Range, "the condition of %s is neither true nor false", name)
		}
		if v.True() {
			continue
		}
		message := name + " is not valid"
		if attr := content.Attributes["error_message"]; attr != nil {
			if text, err := e.value(attr.Expr, nil); err == nil && text.Type() == cty.String {
				message = text.AsString()
			}
		}
		return mistake(condition.Range, "%s", message)
	}
	return nil
}

// group evaluates a group's block.
func (e *evaluator) group(b *hcl.Block) (*definition.Group, error) {
	content, diags := b.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "targets", Required: true}, {Name: "description"}},
	})
	if diags.HasErrors() {
		return nil, diags
	}
	g := &definition.Group{Name: b.Labels[0]}
	if err := checkName(g.Name, b.DefRange); err != nil {
		return nil, err
	}
	for name, attr := range content.Attributes {
		v, err := e.value(attr.Expr, nil)
		if err != nil {
			return nil, err
		}
		if name == "targets" {
			g.Targets, err = texts(v)
		} else {
			g.Description, err = text(v)
		}
		if err != nil {
			return nil, mistake(attr.Range, "%s: %v", name, err)
		}
	}
	g.Targets = definition.Unique(g.Targets)
	return g, nil
}

// maxInstances bounds what the matrix of one target may make.
const maxInstances = 10_000

// expand makes the targets of a block.
func (e *evaluator) expand(b *hcl.Block) error {
	attrs, diags := b.Body.JustAttributes()
	if diags.HasErrors() {
		return diags
	}
	label := b.Labels[0]
	combinations, err := e.matrix(attrs["matrix"])
	if err != nil {
		return err
	}
	if attrs["matrix"] == nil && attrs["name"] != nil {
		return mistake(attrs["name"].Range, "target %s has a name, which only goes with a matrix", label)
	}
	made := &definition.Group{Name: label}
	for _, with := range combinations {
		in := &instance{name: label, attrs: attrs, with: with}
		if attr := attrs["name"]; attr != nil {
			v, err := e.value(attr.Expr, with)
			if err != nil {
				return err
			}
			if in.name, err = text(v); err != nil {
				return mistake(attr.Range, "name: %v", err)
			}
		}
		if err := checkName(in.name, b.DefRange); err != nil {
			return err
		}
		if attrs["matrix"] != nil && slices.Contains(made.Targets, in.name) {
			return mistake(b.DefRange,
				"the matrix of %s makes two targets called %s: give them names that differ", label, in.name)
		}
		if e.targets[in.name] == nil {
			e.names = append(e.names, in.name)
		}
		e.targets[in.name] = append(e.targets[in.name], in)
		made.Targets = append(made.Targets, in.name)
	}
	if attrs["matrix"] != nil && !slices.Equal(made.Targets, []string{label}) {
		e.groups = append(e.groups, made)
	}
	return nil
}

// matrix lists the combinations of a target's matrix; without one there is one.
func (e *evaluator) matrix(attr *hcl.Attribute) ([]map[string]cty.Value, error) {
	all := []map[string]cty.Value{{}}
	if attr == nil {
		return all, nil
	}
	v, err := e.value(attr.Expr, nil)
	if err != nil {
		return nil, err
	}
	if !v.IsKnown() || v.IsNull() || !v.Type().IsMapType() && !v.Type().IsObjectType() {
		return nil, mistake(attr.Range, "matrix must be a map of lists")
	}
	axes := v.AsValueMap()
	for _, name := range slices.Sorted(maps.Keys(axes)) {
		axis := axes[name]
		if axis.IsNull() || !axis.CanIterateElements() || axis.Type().IsMapType() || axis.Type().IsObjectType() {
			return nil, mistake(attr.Range, "matrix: %s must be a list", name)
		}
		var next []map[string]cty.Value
		for _, value := range axis.AsValueSlice() {
			for _, with := range all {
				more := maps.Clone(with)
				more[name] = value
				next = append(next, more)
			}
		}
		if all = next; len(all) > maxInstances {
			return nil, mistake(attr.Range, "the matrix makes more than %d targets", maxInstances)
		}
	}
	return all, nil
}

// checkName refuses names that --set could not tell from patterns and keys.
func checkName(name string, at hcl.Range) error {
	for _, r := range name {
		if !validInName(r) {
			return mistake(at, "%q is no name of a target: letters, digits, _ and - are", name)
		}
	}
	if name == "" {
		return mistake(at, "a target needs a name")
	}
	return nil
}

func validInName(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// text is a value as a string.
func text(v cty.Value) (string, error) {
	s, err := convert.Convert(v, cty.String)
	switch {
	case err != nil:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	case s.IsNull() || !s.IsKnown():
		return "", errdefs.Errorf(errdefs.ErrInvalid, "it has no value")
	}
	return s.AsString(), nil
}
