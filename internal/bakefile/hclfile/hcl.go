// Package hclfile reads bake files in HCL, and in the JSON that is the same.
package hclfile

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// SyntaxError is a mistake at a place of a file.
type SyntaxError = definition.SyntaxError

// document is what the HCL and JSON files say together, not yet evaluated.
type document struct {
	files     map[string][]byte
	attrs     map[string]*hcl.Attribute // values of the top level
	variables map[string]*variableBlock
	order     []string // of variables
	functions []*hcl.Block
	groups    []*hcl.Block
	targets   []*hcl.Block
}

// variableBlock is a variable, from the last block of its name.
type variableBlock struct {
	block       *hcl.Block
	attrs       hcl.Attributes
	validations []*hcl.Block
}

// top is what a file may hold; attributes besides are values.
var top = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "function", LabelNames: []string{"name"}},
	{Type: "group", LabelNames: []string{"name"}},
	{Type: "target", LabelNames: []string{"name"}},
}}

// Read reads files of HCL or JSON as one, into a definition. A mistake in one of them
// is a *SyntaxError.
func Read(d *definition.Definition, files []definition.File, env definition.Environment) error {
	doc := &document{
		files: map[string][]byte{}, attrs: map[string]*hcl.Attribute{}, variables: map[string]*variableBlock{},
	}
	for _, f := range files {
		doc.files[f.Name] = f.Data
	}
	for _, f := range files {
		if err := doc.read(f); err != nil {
			return doc.located(err)
		}
	}
	e, err := newEvaluator(doc, env)
	if err == nil {
		err = e.define(d)
	}
	return doc.located(err)
}

// read sorts what a file says.
func (doc *document) read(f definition.File) error {
	body, err := parseBody(f)
	if err != nil {
		return err
	}
	content, rest, diags := body.PartialContent(top)
	if diags.HasErrors() {
		return diags
	}
	attrs, err := topAttributes(body, rest)
	if err != nil {
		return err
	}
	maps.Copy(doc.attrs, attrs)
	for _, b := range content.Blocks {
		switch b.Type {
		case "variable":
			if err := doc.variable(b); err != nil {
				return err
			}
		case "function":
			doc.functions = append(doc.functions, b)
		case "group":
			doc.groups = append(doc.groups, b)
		case "target":
			doc.targets = append(doc.targets, b)
		}
	}
	return nil
}

// topAttributes are the values of a file's top level. HCL's body would refuse them
// for the blocks beside.
func topAttributes(body, rest hcl.Body) (hcl.Attributes, error) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, diags := rest.JustAttributes()
		return attrs, checked(diags)
	}
	for _, b := range native.Blocks {
		known := func(s hcl.BlockHeaderSchema) bool { return s.Type == b.Type }
		if !slices.ContainsFunc(top.Blocks, known) {
			return nil, mistake(b.TypeRange, "there are no %q blocks here: target, group, variable, function", b.Type)
		}
	}
	attrs := hcl.Attributes{}
	for name, attr := range native.Attributes {
		attrs[name] = attr.AsHCLAttribute()
	}
	return attrs, nil
}

// variable notes one; the last of a name counts.
func (doc *document) variable(b *hcl.Block) error {
	content, diags := b.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "default"}, {Name: "type"}, {Name: "description"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	if diags.HasErrors() {
		return diags
	}
	name := b.Labels[0]
	if doc.variables[name] == nil {
		doc.order = append(doc.order, name)
	}
	doc.variables[name] = &variableBlock{block: b, attrs: content.Attributes, validations: content.Blocks}
	return nil
}

// parseBody reads a file's syntax; what has no extension may be either.
func parseBody(f definition.File) (hcl.Body, error) {
	if filepath.Ext(f.Name) == ".json" {
		file, diags := hcljson.Parse(f.Data, f.Name)
		return bodyOf(file, diags)
	}
	file, diags := hclsyntax.ParseConfig(f.Data, f.Name, hcl.InitialPos)
	maybeJSON := filepath.Ext(f.Name) != ".hcl" && strings.HasPrefix(strings.TrimSpace(string(f.Data)), "{")
	if diags.HasErrors() && maybeJSON {
		file, diags = hcljson.Parse(f.Data, f.Name)
	}
	return bodyOf(file, diags)
}

func bodyOf(file *hcl.File, diags hcl.Diagnostics) (hcl.Body, error) {
	if diags.HasErrors() {
		return nil, diags
	}
	return file.Body, nil
}

// located turns the parser's errors into SyntaxErrors: the first, with how many
// there are.
func (doc *document) located(err error) error {
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) {
		return err
	}
	i := slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError })
	if i < 0 {
		return nil
	}
	first := diags[i]
	message := strings.TrimSuffix(first.Summary, ".")
	if first.Detail != "" {
		message += ": " + strings.TrimSuffix(first.Detail, ".")
	}
	if first.Subject == nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s", message)
	}
	return &SyntaxError{
		File: first.Subject.Filename, Line: first.Subject.Start.Line, End: first.Subject.End.Line,
		Source: doc.files[first.Subject.Filename], Message: message,
	}
}

// mistake is an error at a place.
func mistake(at hcl.Range, format string, args ...any) error {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: fmt.Sprintf(format, args...), Subject: &at,
	}}
}

// checked turns diagnostics without an error into none.
func checked(diags hcl.Diagnostics) error {
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// keyword reads an attribute whose value is a bare word or a string.
func keyword(expr hcl.Expression) string {
	if word := hcl.ExprAsKeyword(expr); word != "" {
		return word
	}
	if v, diags := expr.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return ""
}
