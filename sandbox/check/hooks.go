package check

import (
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hooks holds those of all kinds to the spec's rules (config.md, "POSIX-platform
// Hooks").
func hooks(s *specs.Spec) error {
	h := s.Hooks
	if h == nil {
		return nil
	}
	for _, kind := range []struct {
		name string
		list []specs.Hook
	}{
		{"prestart", h.Prestart}, //nolint:staticcheck // deprecated in the spec, and what people still configure
		{"createRuntime", h.CreateRuntime},
		{"createContainer", h.CreateContainer},
		{"startContainer", h.StartContainer},
		{"poststart", h.Poststart},
		{"poststop", h.Poststop},
	} {
		for i, hook := range kind.list {
			switch {
			case !path.IsAbs(hook.Path):
				return invalid("hooks.%s[%d].path %q: want an absolute path", kind.name, i, hook.Path)
			case hook.Timeout != nil && *hook.Timeout <= 0:
				return invalid("hooks.%s[%d].timeout %d: want seconds, 1 or more", kind.name, i, *hook.Timeout)
			}
		}
	}
	return nil
}
