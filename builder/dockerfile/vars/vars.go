// Package vars holds the variables of a Dockerfile: those of the environment and the
// arguments, in the order in which they were set.
package vars

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/shell"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/internal/platforms"
)

// Set is an ordered set of variables. It implements shell.EnvGetter.
type Set struct {
	keys   []string
	values map[string]string
}

// New returns an empty set.
func New() *Set { return &Set{values: map[string]string{}} }

// Get returns the value of a variable.
func (v *Set) Get(key string) (string, bool) {
	val, ok := v.values[key]
	return val, ok
}

// Keys returns the names in the order of their first setting.
func (v *Set) Keys() []string { return v.keys }

// Set sets a variable.
func (v *Set) Set(key, value string) {
	if _, ok := v.values[key]; !ok {
		v.keys = append(v.keys, key)
	}
	v.values[key] = value
}

// Clone is a set of its own with the same variables.
func (v *Set) Clone() *Set {
	w := New()
	for _, k := range v.keys {
		w.Set(k, v.values[k])
	}
	return w
}

// List returns the variables as KEY=value.
func (v *Set) List() []string {
	out := make([]string, len(v.keys))
	for i, k := range v.keys {
		out[i] = k + "=" + v.values[k]
	}
	return out
}

// SetEnv sets key in a list of KEY=value, where it stands; the list that is given stays.
func SetEnv(env []string, key, value string) []string {
	for i, e := range env {
		if k, _, _ := strings.Cut(e, "="); k == key {
			env = slices.Clone(env)
			env[i] = key + "=" + value
			return env
		}
	}
	return append(slices.Clip(env), key+"="+value)
}

// Proxy may be given without an ARG, and then are in no key and no history.
var Proxy = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy",
	"NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
}

// Platform are the arguments that every Dockerfile has in global scope.
func Platform(target, build ocispec.Platform) *Set {
	v := New()
	for prefix, p := range map[string]ocispec.Platform{"TARGET": target, "BUILD": build} {
		v.Set(prefix+"PLATFORM", platforms.Format(p))
		v.Set(prefix+"OS", p.OS)
		v.Set(prefix+"ARCH", p.Architecture)
		v.Set(prefix+"VARIANT", p.Variant)
	}
	return v
}

var _ shell.EnvGetter = (*Set)(nil)
