// Package strictyaml reads configuration files in which a mistake is never
// overlooked: a key that is not known, or a value of another kind than its key
// wants, is an error that names file and line.
package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"cove/errdefs"
	"cove/internal/nearest"
)

// Decode reads data, which came from the file name, into the struct that into
// points to. Fields are the keys in their yaml tags; a type that implements
// encoding.TextUnmarshaler or yaml.Unmarshaler reads its own values. An error is
// errdefs.ErrInvalid and begins with NAME:LINE where the line is known; for an
// unknown key it names the one that was probably meant. An empty file changes
// nothing.
func Decode(name string, data []byte, into any) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	c := checker{root: reflect.TypeOf(into).Elem()}
	if wrong := c.check(doc.Content[0], "", c.root); wrong != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s:%d: %s", name, wrong.line, wrong.what)
	}
	if err := doc.Decode(into); err != nil { // a key given twice
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
	}
	return nil
}

// checker holds a document against the type of the whole file.
type checker struct{ root reflect.Type }

// mistake is what is wrong in a line of the file.
type mistake struct {
	line int
	what string
}

// check holds the value of a key against the type that it is for. The decoder
// would find the same, and tell of Go's types.
func (c checker) check(n *yaml.Node, key string, t reflect.Type) *mistake {
	wrong := func(format string, args ...any) *mistake {
		return &mistake{n.Line, strings.TrimPrefix(key+": ", ": ") + fmt.Sprintf(format, args...)}
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" {
		return nil
	}
	if known, err := unmarshal(n, t); known {
		if err != nil {
			return wrong("%v", err)
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.check(n, key, t.Elem())
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return wrong("it holds keys: %s", strings.Join(keysOf(t), ", "))
		}
		return c.checkKeys(n, key, t)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			return wrong("it holds names, each with values below it")
		}
		return c.checkMap(n, key, t)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return wrong("it is a list; write [%s]", n.Value)
		}
		for _, item := range n.Content {
			if m := c.check(item, key, t.Elem()); m != nil {
				return m
			}
		}
	default:
		if n.Kind != yaml.ScalarNode {
			return wrong("it is one value, not several")
		}
		if t.Kind() == reflect.Bool && n.Tag != "!!bool" {
			return wrong("%q is neither true nor false", n.Value)
		}
	}
	return nil
}

// unmarshal has a type that reads its own values read one; known says that t is
// such a type.
func unmarshal(n *yaml.Node, t reflect.Type) (known bool, err error) {
	switch v := reflect.New(t).Interface().(type) {
	case yaml.Unmarshaler:
		return true, v.UnmarshalYAML(n)
	case encoding.TextUnmarshaler:
		if n.Kind != yaml.ScalarNode {
			return true, fmt.Errorf("it is one value, not several")
		}
		return true, v.UnmarshalText([]byte(n.Value))
	}
	return false, nil
}

func (c checker) checkMap(n *yaml.Node, path string, t reflect.Type) *mistake {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := path + "." + name.Value
		if m := c.check(name, key, t.Key()); m != nil {
			return m
		}
		if m := c.check(value, key, t.Elem()); m != nil {
			return m
		}
	}
	return nil
}

func (c checker) checkKeys(n *yaml.Node, path string, t reflect.Type) *mistake {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		field, ok := fieldOf(t, name.Value)
		key := strings.TrimPrefix(path+"."+name.Value, ".")
		if !ok {
			what := fmt.Sprintf("there is no key %s", key)
			if meant := c.meant(name.Value, path, t); meant != "" {
				what += "; did you mean " + meant + "?"
			}
			return &mistake{name.Line, what}
		}
		if m := c.check(value, key, field.Type); m != nil {
			return m
		}
	}
	return nil
}

// meant is the key that a typist had in mind: one like it in the same place, or
// the same one in another.
func (c checker) meant(name, path string, t reflect.Type) string {
	if key := nearest.Name(name, keysOf(t)); key != "" {
		return strings.TrimPrefix(path+"."+key, ".")
	}
	if _, ok := fieldOf(c.root, name); ok {
		return name + ", which stands at the left margin"
	}
	for _, above := range keysOf(c.root) {
		if f, _ := fieldOf(c.root, above); f.Type.Kind() == reflect.Struct {
			if _, ok := fieldOf(f.Type, name); ok {
				return above + "." + name
			}
		}
	}
	return ""
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == inline {
			keys = append(keys, keysOf(f.Type)...)
		} else {
			keys = append(keys, f.Tag.Get("yaml"))
		}
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("yaml") == key {
			return f, true
		}
		if f.Tag.Get("yaml") == inline {
			if f, ok := fieldOf(f.Type, key); ok {
				return f, true
			}
		}
	}
	return reflect.StructField{}, false
}

// inline marks a struct whose keys stand among those of the struct it is in.
const inline = ",inline"
