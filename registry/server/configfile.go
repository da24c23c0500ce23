package server

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/agext/levenshtein"
	"go.yaml.in/yaml/v4"

	"cove/errdefs"
)

// ReadConfig reads a file. What is wrong in it is an error that names its line
// and, for a key it does not know, the one that was probably meant.
func ReadConfig(name string) (Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return Config{}, errdefs.Errorf(errdefs.ErrInvalid, "config: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return Config{}, errdefs.Errorf(errdefs.ErrInvalid, "config %s: %w", name, err)
	}
	var c Config
	if len(doc.Content) == 0 { // an empty file
		return c, nil
	}
	if wrong := check(doc.Content[0], "", reflect.TypeFor[Config]()); wrong != nil {
		return Config{}, errdefs.Errorf(errdefs.ErrInvalid, "config %s:%d: %s", name, wrong.line, wrong.what)
	}
	if err := doc.Decode(&c); err != nil { // a key given twice
		return Config{}, errdefs.Errorf(errdefs.ErrInvalid, "config %s: %w", name, err)
	}
	return c, nil
}

// mistake is what is wrong in a line of the file.
type mistake struct {
	line int
	what string
}

// check holds the value of a key against the type that it is for. The decoder
// would find the same, and tell of Go's types.
func check(n *yaml.Node, key string, t reflect.Type) *mistake {
	wrong := func(format string, args ...any) *mistake {
		return &mistake{n.Line, strings.TrimPrefix(key+": ", ": ") + fmt.Sprintf(format, args...)}
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Tag == "!!null":
	case t == reflect.TypeFor[Duration]():
		if err := new(Duration).UnmarshalYAML(n); err != nil {
			return wrong("%v", err)
		}
	case t.Kind() == reflect.Pointer:
		return check(n, key, t.Elem())
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return wrong("it holds keys: %s", strings.Join(keysOf(t), ", "))
		}
		return checkKeys(n, key, t)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return wrong("it is a list; write [%s]", n.Value)
		}
		for _, item := range n.Content {
			if m := check(item, key, t.Elem()); m != nil {
				return m
			}
		}
	case n.Kind != yaml.ScalarNode:
		return wrong("it is one value, not several")
	case t.Kind() == reflect.Bool && n.Tag != "!!bool":
		return wrong("%q is neither true nor false", n.Value)
	}
	return nil
}

func checkKeys(n *yaml.Node, path string, t reflect.Type) *mistake {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		field, ok := fieldOf(t, name.Value)
		key := strings.TrimPrefix(path+"."+name.Value, ".")
		if !ok {
			what := fmt.Sprintf("there is no key %s", key)
			if meant := meant(name.Value, path, t); meant != "" {
				what += "; did you mean " + meant + "?"
			}
			return &mistake{name.Line, what}
		}
		if m := check(value, key, field.Type); m != nil {
			return m
		}
	}
	return nil
}

// meant is the key that a typist had in mind: one like it in the same place, or
// the same one in another.
func meant(name, path string, t reflect.Type) string {
	best, least := "", 3
	for _, key := range keysOf(t) {
		if d := levenshtein.Distance(name, key, nil); d < least {
			best, least = strings.TrimPrefix(path+"."+key, "."), d
		}
	}
	if best != "" {
		return best
	}
	root := reflect.TypeFor[Config]()
	if _, ok := fieldOf(root, name); ok {
		return name + ", which stands at the left margin"
	}
	for _, above := range keysOf(root) {
		if f, _ := fieldOf(root, above); f.Type.Kind() == reflect.Struct {
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
		keys = append(keys, t.Field(i).Tag.Get("yaml"))
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}
