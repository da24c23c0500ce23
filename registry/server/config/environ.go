package config

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"cove/errdefs"
	"cove/internal/nearest"
	"cove/internal/strictyaml"
)

// VariablePrefix begins the variables that go before the file: the key
// tls.certificate is COVE_REGISTRY_CONFIG_TLS_CERTIFICATE. It is long so that no
// other program, as Kubernetes for a service called cove-registry, sets one.
const VariablePrefix = "COVE_REGISTRY_CONFIG_"

// Load reads a file, if one is named, and what the environment has over it.
func Load(file string) (c Config, err error) {
	if file != "" {
		if c, err = Read(file); err != nil {
			return c, err
		}
	}
	return c, c.override(os.Environ())
}

// override sets the keys that variables name. A value is as in the file: lists in
// brackets, text without quotes.
func (c *Config) override(environ []string) error {
	known := variables()
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, VariablePrefix) {
			continue
		}
		key, ok := known[name]
		if !ok {
			hint := ""
			if meant := nearest.Name(name, slices.Collect(maps.Keys(known))); meant != "" {
				hint = "; did you mean " + meant + "?"
			}
			return errdefs.Errorf(errdefs.ErrInvalid, "%s: there is no such setting%s", name, hint)
		}
		doc, err := key.document(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
		}
		if err := strictyaml.Decode(name, doc, c); err != nil {
			return err
		}
	}
	return nil
}

// setting is a key of the file that holds no others.
type setting struct {
	path []string
	text bool // its value is text, whatever it looks like
}

// document is a file that has this key alone.
func (s setting) document(value string) ([]byte, error) {
	var node yaml.Node
	if s.text {
		node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	} else if err := yaml.Unmarshal([]byte(value), &node); err != nil {
		return nil, err
	} else if len(node.Content) == 1 {
		node = *node.Content[0]
	} else { // nothing at all
		node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	for _, key := range slices.Backward(s.path) {
		below := node
		node = yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, &below,
		}}
	}
	return yaml.Marshal(&node)
}

// Key is a setting by both of its names.
type Key struct{ Path, Variable string }

// Keys lists all, by their paths.
func Keys() []Key {
	var keys []Key
	for name, s := range variables() {
		keys = append(keys, Key{strings.Join(s.path, "."), name})
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.Path, b.Path) })
	return keys
}

// variables are the settings by the names of their variables.
func variables() map[string]setting {
	all := map[string]setting{}
	collect(all, nil, reflect.TypeFor[Config]())
	return all
}

func collect(all map[string]setting, path []string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, below := f.Tag.Get("yaml"), f.Type
		if below.Kind() == reflect.Pointer {
			below = below.Elem()
		}
		switch at := append(slices.Clone(path), key); {
		case key == "-":
		case key == ",inline":
			collect(all, path, below)
		case below.Kind() == reflect.Struct:
			collect(all, at, below)
		default:
			name := VariablePrefix + strings.ToUpper(strings.Join(at, "_"))
			all[name] = setting{at, below.Kind() == reflect.String}
		}
	}
}
