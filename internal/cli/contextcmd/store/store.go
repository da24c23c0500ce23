// Package store keeps contexts: names of machines that commands are done on. Each is a
// file with docker's metadata of a context, so that docker can import what is exported
// here, and the other way round.
package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cove/internal/userdir"

	"cove/errdefs"
	"cove/internal/atomicfile"
)

// Local is the context that is always there: this machine.
const Local = "default"

// Context is one of them, in docker's shape (docker/cli, context store metadata).
type Context struct {
	Name      string
	Metadata  Metadata
	Endpoints map[string]Endpoint
}

// Metadata is what docker keeps of a context besides its endpoints.
type Metadata struct {
	Description string `json:",omitempty"`
}

// Endpoint is where a context leads.
type Endpoint struct {
	Host          string `json:",omitempty"`
	SkipTLSVerify bool
}

// docker is the only kind of endpoint that docker has left.
const docker = "docker"

// New is a context that leads to a host.
func New(name, description, host string) Context {
	return Context{
		Name: name, Metadata: Metadata{Description: description}, Endpoints: map[string]Endpoint{docker: {Host: host}},
	}
}

// Host is where the context leads, "" for this machine.
func (c Context) Host() string { return c.Endpoints[docker].Host }

// Store is the folder of a person's contexts. What is not there is no mistake: then
// there are none.
type Store struct{ dir string }

// At is the store in a folder.
func At(dir string) Store { return Store{dir} }

// Default is $XDG_CONFIG_HOME/cove, or ~/.config/cove; without a home there are no
// contexts.
func Default(getenv func(string) string) Store {
	return Store{userdir.Config(getenv, "cove")}
}

// names is docker's rule.
// names is compiled by who has contexts: every start pays for what is made before main.
var names = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`) })

// CheckName refuses what cannot be the name of a context that is made.
func CheckName(name string) error {
	if name == Local {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q is this machine, and a reserved name", name)
	}
	if !names().MatchString(name) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"context name %q is invalid: it has two or more letters, digits and _ . + -, and begins with a letter or digit", name)
	}
	return nil
}

func (s Store) path(name string) string { return filepath.Join(s.dir, "contexts", name+".json") }

func notFound(name string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "context %q does not exist; 'cove context ls' shows those that do", name)
}

// Get returns a context.
func (s Store) Get(name string) (Context, error) {
	if name == Local {
		return New(Local, "This machine", ""), nil
	}
	if s.dir == "" || CheckName(name) != nil {
		return Context{}, notFound(name)
	}
	body, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Context{}, notFound(name)
	} else if err != nil {
		return Context{}, err
	}
	return Decode(name, body)
}

// Decode reads the metadata of a context, which gets a name.
func Decode(name string, body []byte) (c Context, err error) {
	if err := json.Unmarshal(body, &c); err != nil {
		return c, errdefs.Errorf(errdefs.ErrInvalid, "context %q: %w", name, err)
	}
	c.Name = name
	return c, nil
}

// List returns all of them, by name, this machine among them.
func (s Store) List() ([]Context, error) {
	here, _ := s.Get(Local)
	all := []Context{here}
	if s.dir == "" {
		return all, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "contexts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || CheckName(name) != nil {
			continue
		}
		c, err := s.Get(name)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Context) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Put makes a context, or one that is there another one.
func (s Store) Put(c Context) error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if s.dir == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "there is no folder for contexts: set HOME or XDG_CONFIG_HOME")
	}
	body, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path(c.Name)), 0o700); err != nil {
		return err
	}
	return atomicfile.WriteFile(s.path(c.Name), append(body, '\n'), 0o600, atomicfile.Durable)
}

// Remove forgets a context.
func (s Store) Remove(name string) error {
	if _, err := s.Get(name); err != nil {
		return err
	}
	if err := CheckName(name); err != nil {
		return err
	}
	return os.Remove(s.path(name))
}

// Current is the name of the context in use.
func (s Store) Current() (string, error) {
	if s.dir == "" {
		return Local, nil
	}
	body, err := os.ReadFile(filepath.Join(s.dir, "context"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return cmp.Or(strings.TrimSpace(string(body)), Local), nil
}

// Use has a context in use from now on.
func (s Store) Use(name string) error {
	if _, err := s.Get(name); err != nil {
		return err
	}
	file := filepath.Join(s.dir, "context")
	if name == Local {
		if err := os.Remove(file); s.dir != "" && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return atomicfile.WriteFile(file, []byte(name+"\n"), 0o600, atomicfile.Durable)
}
