package config

import (
	"reflect"
	"slices"
	"strings"
)

// live are the keys, or what they begin with, that a server takes while it serves.
// Whatever else changes waits for a restart.
var live = []string{
	"banner.", "cors.", "drain", "gc.", "hostnames", "ldap.", "limits.connections", "limits.depth", "limits.manifest",
	"limits.name", "limits.page", "limits.requests", "limits.uploads", "log.access", "log.level", "oidc.", "read_only",
	"tls.acme.hosts", "tls.suffixes", "trusted_proxies",
}

// Live says whether SIGHUP takes the key at path, as "log.level".
func Live(path string) bool {
	return slices.ContainsFunc(live, func(key string) bool {
		return path == key || strings.HasSuffix(key, ".") && strings.HasPrefix(path, key)
	})
}

// Reload is what a server does with what its file says now.
type Reload struct {
	Config  Config   // the one before, with the keys that are taken
	Taken   []string // keys that changed
	Waiting []string // keys that changed and wait for a restart
}

// Took says whether a key of a part changed, as of "ldap".
func (r Reload) Took(part string) bool {
	return slices.ContainsFunc(r.Taken, func(key string) bool { return strings.HasPrefix(key, part+".") })
}

// Reloaded compares two complete configurations: the one that is served by, and next.
func (c Config) Reloaded(next Config) Reload {
	r := Reload{Config: c}
	if c.TLS.ACME != nil { // what is taken changes no configuration that others read
		own := *c.TLS.ACME
		r.Config.TLS.ACME = &own
	}
	was, will := fields(&r.Config), fields(&next)
	// Who vouches for people is taken whole: it may also be new, or gone.
	r.Config.OIDC, r.Config.LDAP = next.OIDC, next.LDAP
	for _, key := range Keys() {
		old, wanted := was[key.Path], will[key.Path]
		switch whole := strings.HasPrefix(key.Path, "oidc.") || strings.HasPrefix(key.Path, "ldap."); {
		case equal(old, wanted):
		case whole:
			r.Taken = append(r.Taken, key.Path)
		case Live(key.Path) && old.IsValid() && wanted.IsValid():
			old.Set(wanted)
			r.Taken = append(r.Taken, key.Path)
		default:
			r.Waiting = append(r.Waiting, key.Path)
		}
	}
	return r
}

// equal is whether two settings say the same; one of a part that is left out is
// the zero Value.
func equal(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// fields are the settings of c by their paths, without those of parts that are left out.
func fields(c *Config) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	gather(all, nil, reflect.ValueOf(c).Elem())
	return all
}

func gather(all map[string]reflect.Value, path []string, v reflect.Value) {
	for i := range v.NumField() {
		below := v.Field(i)
		if below.Kind() == reflect.Pointer && below.Type().Elem().Kind() == reflect.Struct {
			if below.IsNil() {
				continue
			}
			below = below.Elem()
		}
		key := v.Type().Field(i).Tag.Get("yaml")
		switch at := append(slices.Clone(path), key); {
		case key == "-":
		case key == ",inline":
			gather(all, path, below)
		case below.Kind() == reflect.Struct:
			gather(all, at, below)
		default:
			all[strings.Join(at, ".")] = below
		}
	}
}
