package compare

import (
	"encoding/json"
	"strings"

	"cove/errdefs"
)

// Configs are the differences between the configs of two images that matter to a
// container, or to where it can run; how and when they were made is left out.
func Configs(before, after []byte) (all []Detail, err error) {
	was, err := settings(before)
	if err != nil {
		return nil, err
	}
	is, err := settings(after)
	if err != nil {
		return nil, err
	}
	for _, key := range either(was, is) {
		if was[key] != is[key] {
			all = append(all, Detail{key, was[key], is[key]})
		}
	}
	return all, nil
}

// settings are what a config says, by name: each variable and label by its own.
func settings(text []byte) (map[string]string, error) {
	var doc struct {
		Architecture, OS, Variant string
		Config                    map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "the config of the image: %w", err)
	}
	out := map[string]string{}
	note := func(key, value string) {
		if value != "" && value != "null" && value != "{}" && value != "[]" && value != `""` && value != "false" {
			out[key] = value
		}
	}
	note("Architecture", doc.Architecture)
	note("OS", doc.OS)
	note("Variant", doc.Variant)
	for key, value := range doc.Config {
		var env []string
		var labels map[string]string
		switch {
		case key == "Env" && json.Unmarshal(value, &env) == nil:
			for _, line := range env {
				name, is, _ := strings.Cut(line, "=")
				out["Env "+name] = is
			}
		case key == "Labels" && json.Unmarshal(value, &labels) == nil:
			for name, is := range labels {
				out["Label "+name] = is
			}
		default:
			note(key, string(value))
		}
	}
	return out, nil
}
