package buildflags

import (
	"strings"

	"cove/errdefs"
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
