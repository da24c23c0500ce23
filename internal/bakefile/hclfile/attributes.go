package hclfile

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// target evaluates the attributes of one target.
func (e *evaluator) target(in *instance) (*definition.Target, error) {
	t := &definition.Target{Name: in.name}
	for name, attr := range in.attrs {
		if name == "matrix" || name == "name" {
			continue
		}
		v, err := e.value(attr.Expr, in.with)
		if err != nil {
			return nil, err
		}
		if v.IsNull() {
			continue
		}
		if err := set(t, name, v); err != nil {
			return nil, mistake(attr.NameRange, "%s: %v", name, err)
		}
	}
	return t, nil
}

// set gives an attribute its value.
func set(t *definition.Target, name string, v cty.Value) (err error) {
	if in, ok := definition.Lists[name]; ok {
		*in(t), err = texts(v)
		return err
	}
	if of, ok := definition.Entries[name]; ok {
		*of.In(t), err = entriesOf(of.Kind, v)
		return err
	}
	if in, ok := definition.Words[name]; ok {
		var s string
		s, err = text(v)
		*in(t) = &s
		return err
	}
	if in, ok := definition.Maps[name]; ok {
		*in(t), err = mapOf(v)
		return err
	}
	if in, ok := definition.Switches[name]; ok {
		b, err := convert.Convert(v, cty.Bool)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
		}
		on := b.True()
		*in(t) = &on
		return nil
	}
	switch name {
	case "description":
		t.Description, err = text(v)
		return err
	case "contexts":
		var m map[string]*string
		m, err = mapOf(v)
		t.Contexts = map[string]string{}
		for k, v := range m {
			if v != nil {
				t.Contexts[k] = *v
			}
		}
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "a target has no such attribute")
}

// texts is a list of words; what is null in it is left out.
func texts(v cty.Value) ([]string, error) {
	if !isList(v) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "it must be a list")
	}
	out := []string{}
	for _, item := range v.AsValueSlice() {
		if item.IsNull() {
			continue
		}
		s, err := text(item)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func isList(v cty.Value) bool {
	ty := v.Type()
	return v.IsKnown() && !v.IsNull() && (ty.IsListType() || ty.IsTupleType() || ty.IsSetType())
}

// mapOf is a map of words, in which null is nil.
func mapOf(v cty.Value) (map[string]*string, error) {
	if !v.IsKnown() || !v.Type().IsMapType() && !v.Type().IsObjectType() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "it must be a map")
	}
	out := map[string]*string{}
	for key, item := range v.AsValueMap() {
		if item.IsNull() {
			out[key] = nil
			continue
		}
		s, err := text(item)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", key, err)
		}
		out[key] = &s
	}
	return out, nil
}

// entriesOf is a list of texts and objects.
func entriesOf(kind definition.EntryKind, v cty.Value) ([]definition.Entry, error) {
	if !isList(v) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "it must be a list")
	}
	out := []definition.Entry{}
	for _, item := range v.AsValueSlice() {
		if item.IsNull() {
			continue
		}
		var e definition.Entry
		var err error
		if item.Type().IsMapType() || item.Type().IsObjectType() {
			e, err = entryOf(item)
		} else {
			var s string
			if s, err = text(item); err == nil && s != "" {
				e, err = definition.ParseEntry(kind, s)
			}
		}
		if err != nil {
			return nil, err
		}
		if !e.Empty() {
			out = append(out, e)
		}
	}
	return out, nil
}

// entryOf is one object: its type or id first, the rest in the order of the keys.
func entryOf(v cty.Value) (e definition.Entry, err error) {
	m := v.AsValueMap()
	for _, key := range []string{"type", "id"} {
		if first, ok := m[key]; ok && !first.IsNull() {
			s, err := text(first)
			if err != nil {
				return e, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", key, err)
			}
			e.Set(key, s)
		}
	}
	if paths, ok := m["paths"]; ok && !paths.IsNull() {
		if e.Paths, err = texts(paths); err != nil {
			return e, errdefs.Errorf(errdefs.ErrInvalid, "paths: %w", err)
		}
	}
	for it := v.ElementIterator(); it.Next(); {
		k, item := it.Element()
		key := k.AsString()
		if key == "type" || key == "id" || key == "paths" || item.IsNull() {
			continue
		}
		s, err := text(item)
		if err != nil {
			return e, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", key, err)
		}
		e.Set(strings.ToLower(key), s)
	}
	return e, nil
}
