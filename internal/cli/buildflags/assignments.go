package buildflags

import (
	"strings"

	"cove/errdefs"
	"cove/internal/cli/dockerconfig"
)

// Assignments reads KEY=VALUE; a bare KEY takes its value from lookup, and is
// left out when it has none there.
func Assignments(flag string, values []string, lookup func(string) (string, bool)) (map[string]string, error) {
	m := make(map[string]string, len(values))
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if key == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s %q: want KEY=VALUE", flag, v)
		}
		if !ok && lookup != nil {
			if value, ok = lookup(key); !ok {
				continue
			}
		}
		m[key] = value
	}
	return m, nil
}

// Proxies adds what docker's configuration says of proxies to arguments of a build, unless
// they say it.
func Proxies(args map[string]string, config dockerconfig.File) {
	has := func(name string) bool { _, ok := args[name]; return ok }
	for _, v := range config.ProxyVariables(has) {
		name, value, _ := strings.Cut(v, "=")
		args[name] = value
	}
}
