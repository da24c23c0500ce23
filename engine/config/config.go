// Package config reads what this machine's files say about registries: which
// mirrors are asked before them, which of them need no TLS, and whose signatures their
// images must have; and which OCI runtimes there are beside cove's own.
//
// The files are docker's daemon.json, of which only what docker and cove both
// have is read, and cove's own config.yaml, in which a mistake is an error.
// Whoever opens a registry client through the engine, be it a pull, a build's
// FROM or an API, gets the same answer.
package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/internal/userdir"

	"cove/distribution/client/hosts"
	"cove/errdefs"
	"cove/internal/strictyaml/late"
	"cove/reference"
)

// Registries is what is known of them before one is asked, and what else is configured
// beside that.
type Registries struct {
	// Mirrors are base URLs to read from before the registry itself, in order,
	// by its name ("docker.io"); see remote.Config. A name with an empty list
	// has none, whatever a file of less weight says.
	Mirrors map[string][]string
	// Insecure are HOST, HOST:PORT or CIDR; see remote.Config.
	Insecure []string
	// Signatures say who must have signed images, by the prefix of their names.
	Signatures []Signed
	// Runtimes are the OCI runtimes beside cove's own, by name.
	Runtimes map[string]Runtime
}

// Runtime is the program of an OCI runtime, and what it is given before anything else.
type Runtime struct {
	Path string   `json:"path"        yaml:"path"`
	Args []string `json:"runtimeArgs" yaml:"args"`
}

// Signed says who must have signed the images below a prefix of names; see remote.Rule.
type Signed struct {
	Prefix   string
	Keys     []string
	Unsigned bool
	File     string
}

// Over returns r on top of lower: r's word counts for the mirrors of each
// registry that it names, and for the signatures of each prefix; insecure registries
// add up.
func (r Registries) Over(lower Registries) Registries {
	out := Registries{Mirrors: maps.Clone(lower.Mirrors), Insecure: slices.Clone(lower.Insecure)}
	if out.Mirrors == nil {
		out.Mirrors = map[string][]string{}
	}
	maps.Copy(out.Mirrors, r.Mirrors)
	for _, host := range r.Insecure {
		if !slices.Contains(out.Insecure, host) {
			out.Insecure = append(out.Insecure, host)
		}
	}
	out.Signatures = slices.Clone(r.Signatures)
	for _, s := range lower.Signatures {
		if !slices.ContainsFunc(out.Signatures, func(have Signed) bool { return have.Prefix == s.Prefix }) {
			out.Signatures = append(out.Signatures, s)
		}
	}
	out.Runtimes = maps.Clone(lower.Runtimes)
	if out.Runtimes == nil {
		out.Runtimes = r.Runtimes
	} else {
		maps.Copy(out.Runtimes, r.Runtimes)
	}
	return out
}

// Files are where configuration is read. A file that does not exist says
// nothing.
type Files struct {
	// Docker is daemon.json; "" is none.
	Docker string
	// Own are config.yaml files, those of more weight last.
	Own []string
}

// Find returns the files that the environment names: /etc/docker/daemon.json,
// then /etc/cove/config.yaml, then cove/config.yaml in $XDG_CONFIG_HOME or
// ~/.config. $COVE_CONFIG takes the place of both of cove's own. getenv nil is
// os.Getenv.
func Find(getenv func(string) string) Files {
	if getenv == nil {
		getenv = os.Getenv
	}
	files := Files{Docker: "/etc/docker/daemon.json"}
	if own := getenv("COVE_CONFIG"); own != "" {
		files.Own = []string{own}
		return files
	}
	files.Own = []string{"/etc/cove/config.yaml"}
	if own := userdir.Config(getenv, "cove", "config.yaml"); own != "" {
		files.Own = append(files.Own, own)
	}
	return files
}

// Read reads all of them. What is malformed is errdefs.ErrInvalid and named with
// file and line.
func (f Files) Read() (Registries, error) {
	all, err := readDocker(f.Docker)
	if err != nil {
		return Registries{}, err
	}
	for _, name := range f.Own {
		r, err := readOwn(name)
		if err != nil {
			return Registries{}, err
		}
		all = r.Over(all)
	}
	return all, nil
}

// own is cove's file.
type own struct {
	shared     `yaml:",inline"`
	Registries map[host]registry  `yaml:"registries"`
	Signatures map[prefix]signed  `yaml:"signatures"`
	Runtimes   map[string]Runtime `yaml:"runtimes"`
}

// signed is who must have signed what is below a prefix.
type signed struct {
	Keys     []string `yaml:"keys"` // files, also beside this one
	Unsigned bool     `yaml:"unsigned"`
}

// shared are the keys that docker's daemon.json has too, and that mean the same
// there.
type shared struct {
	Mirrors  []mirror   `json:"registry-mirrors"    yaml:"registry-mirrors"` // of docker.io
	Insecure []insecure `json:"insecure-registries" yaml:"insecure-registries"`
}

// registry is one registry by name.
type registry struct {
	Mirrors  []mirror `yaml:"mirrors"`
	Insecure bool     `yaml:"insecure"`
}

func readOwn(name string) (Registries, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Registries{}, nil
	} else if err != nil {
		return Registries{}, errdefs.Errorf(errdefs.ErrInvalid, "config: %w", err)
	}
	var f own
	if err := late.Decode(name, data, &f); err != nil {
		return Registries{}, err
	}
	out := f.registries()
	for name, r := range f.Registries {
		if r.Mirrors != nil {
			out.Mirrors[string(name)] = texts(r.Mirrors)
		}
		if r.Insecure {
			out.Insecure = append(out.Insecure, string(name))
		}
	}
	slices.Sort(out.Insecure) // a map has no order
	for called, r := range f.Runtimes {
		if r.Path == "" {
			return Registries{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: runtimes: %s: the path is missing", name,
				called)
		}
	}
	out.Runtimes = f.Runtimes
	for prefix, s := range f.Signatures {
		if s.Unsigned && s.Keys != nil {
			return Registries{}, errdefs.Errorf(errdefs.ErrInvalid,
				"%s: signatures: %s: keys and unsigned exclude each other", name, prefix)
		}
		for i, key := range s.Keys {
			if !filepath.IsAbs(key) {
				s.Keys[i] = filepath.Join(filepath.Dir(name), key)
			}
		}
		out.Signatures = append(out.Signatures, Signed{string(prefix), s.Keys, s.Unsigned, name})
	}
	slices.SortFunc(out.Signatures, func(a, b Signed) int { return strings.Compare(a.Prefix, b.Prefix) })
	return out, nil
}

func (s shared) registries() Registries {
	out := Registries{Mirrors: map[string][]string{}, Insecure: texts(s.Insecure)}
	if s.Mirrors != nil {
		out.Mirrors[reference.DefaultRegistry] = texts(s.Mirrors)
	}
	return out
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// The values check themselves, so that both formats say what is wrong with one.
type (
	host     string
	prefix   string
	mirror   string
	insecure string
)

func (p *prefix) UnmarshalText(b []byte) error {
	if string(b) == "*" {
		*p = "*"
		return nil
	}
	name, path, _ := strings.Cut(string(b), "/")
	var h host
	if err := h.UnmarshalText([]byte(name)); err != nil {
		return err
	}
	if path != "" && !reference.ValidRepository(path) {
		return errors.New("it is no registry with the beginning of a repository's name, as example.com/team")
	}
	*p = prefix(strings.TrimSuffix(string(h)+"/"+path, "/"))
	return nil
}

func (h *host) UnmarshalText(b []byte) error {
	ref, err := reference.Parse(string(b) + "/x/x")
	if err != nil || ref.Repository != "x/x" {
		return errors.New("it is no registry: its name has a dot or a port, or is localhost")
	}
	*h = host(ref.Registry)
	return nil
}

func (m *mirror) UnmarshalText(b []byte) error {
	*m = mirror(b)
	return hosts.CheckMirror(string(b))
}

func (i *insecure) UnmarshalText(b []byte) error {
	*i = insecure(b)
	return hosts.CheckInsecure(string(b))
}
