// Package credentials reads and keeps registry sign-ins where docker and
// podman keep them, credential helpers included.
//
// The files belong to other programs too: keys that this package does not know
// are kept, and a write replaces the file whole, readable by its owner alone.
package credentials

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"

	"cove/internal/userdir"

	"cove/errdefs"
)

// Credentials is one sign-in. The zero value is nobody.
type Credentials struct {
	Username string
	Password string
	// IdentityToken is exchanged for access tokens in place of a password.
	IdentityToken string
	// RegistryToken is sent to the registry as it is.
	RegistryToken string
}

// IsZero says that there is nothing to sign in with.
func (c Credentials) IsZero() bool { return c == Credentials{} }

// Store finds sign-ins by registry host. It is safe for concurrent use, by
// several processes too.
type Store struct {
	files []string // read in order
	main  string   // written
}

// Open finds the files by the environment: $REGISTRY_AUTH_FILE, docker's
// config.json ($DOCKER_CONFIG or ~/.docker), and podman's
// containers/auth.json ($XDG_RUNTIME_DIR, then $XDG_CONFIG_HOME or ~/.config).
// None of them needs to exist. getenv nil is os.Getenv.
func Open(getenv func(string) string) *Store {
	if getenv == nil {
		getenv = os.Getenv
	}
	s := &Store{}
	add := func(elem ...string) {
		if elem[0] != "" {
			s.files = append(s.files, filepath.Join(elem...))
		}
	}
	home := getenv("HOME")
	under := func(dir string) string {
		if home == "" {
			return ""
		}
		return filepath.Join(home, dir)
	}
	add(getenv("REGISTRY_AUTH_FILE"))
	add(cmp.Or(getenv("DOCKER_CONFIG"), under(".docker")), "config.json")
	if len(s.files) > 0 {
		s.main = s.files[0]
	}
	add(getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	add(userdir.Config(getenv, "containers", "auth.json"))
	return s
}

// Path is the file that Put writes, "" when there is nowhere to write.
func (s *Store) Path() string { return s.main }

// Credentials returns the sign-in for host, as "docker.io" or "localhost:5000";
// the zero value when there is none.
func (s *Store) Credentials(ctx context.Context, host string) (Credentials, error) {
	for _, path := range s.files {
		f, err := readFile(path)
		if err != nil {
			return Credentials{}, err
		}
		c, err := f.get(ctx, host)
		if err != nil || !c.IsZero() {
			return c, err
		}
	}
	return Credentials{}, nil
}

// Hosts are the registries for which a file has an entry, as "docker.io" or
// "localhost:5000", sorted; a file that cannot be read has none. What only a
// helper knows is not among them.
func (s *Store) Hosts() []string {
	var hosts []string
	for _, path := range s.files {
		f, err := readFile(path)
		if err != nil {
			continue
		}
		for k := range f.auths {
			hosts = append(hosts, hostOf(k))
		}
		for k := range f.credHelpers {
			hosts = append(hosts, hostOf(k))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// Put keeps c for host: with the credential helper that the file names for it,
// or else in the file.
func (s *Store) Put(ctx context.Context, host string, c Credentials) error {
	if s.main == "" {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"keeping the sign-in for %s: neither HOME, DOCKER_CONFIG nor REGISTRY_AUTH_FILE is set", host)
	}
	return edit(s.main, func(f *file) (bool, error) {
		if h := f.helper(host); h != "" {
			return false, putHelper(ctx, h, key(host), c)
		}
		f.put(host, c)
		return true, nil
	})
}

// Erase forgets the sign-in for host, wherever it is; found says that there
// was one.
func (s *Store) Erase(ctx context.Context, host string) (found bool, err error) {
	for _, path := range s.files {
		if _, err := os.Stat(path); err != nil {
			continue // nothing there, or nothing we could change
		}
		err := edit(path, func(f *file) (bool, error) {
			if h := f.helper(host); h != "" {
				had, err := eraseHelper(ctx, h, key(host))
				found = found || had
				return f.erase(host), err
			}
			had := f.erase(host)
			found = found || had
			return had, nil
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// Keychain finds what to sign in with at a registry host, as "docker.io" or
// "localhost:5000". No credentials is the zero value and no error.
type Keychain interface {
	Credentials(ctx context.Context, host string) (Credentials, error)
}

// Only is a Keychain that signs in to one host, and to no other that it sends us to.
func Only(host string, c Credentials) Keychain { return only{host, c} }

type only struct {
	host string
	with Credentials
}

// Credentials implements Keychain.
func (o only) Credentials(_ context.Context, host string) (Credentials, error) {
	if host != o.host || o.with.Username == "" {
		return Credentials{}, nil
	}
	return o.with, nil
}
