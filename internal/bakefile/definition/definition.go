// Package definition is what bake files say, whatever their format: targets in words
// of the command line, groups of them, and how names, inheritance and --set make a
// plan of them.
package definition

import (
	"path"
	"slices"
	"strings"

	"cove/errdefs"
)

// File is one file, of which several make one definition.
type File struct {
	Name string
	Data []byte
}

// Environment is what a definition depends on besides its files.
type Environment struct {
	// Lookup finds an environment variable.
	Lookup func(name string) (string, bool)
	// Vars are values that go before those of the environment.
	Vars map[string]string
	// Dir has the file .env of compose files.
	Dir string
	// Platform is the one of this machine, as linux/amd64.
	Platform string
}

// Group is a name for several targets and groups.
type Group struct {
	Name        string   `json:"-"`
	Description string   `json:"description,omitempty"`
	Targets     []string `json:"targets"`
}

// Definition is what the files say together.
type Definition struct {
	Groups    []*Group
	Targets   []*Target
	Variables []Variable
}

// Variable is one that a file declares, with the value that it has.
type Variable struct {
	Name        string `json:"name"`
	Type        string `json:"type,omitempty"`
	Description string `json:"description,omitempty"`
	Value       string `json:"value"`
}

// Add puts a target into the definition, over one of its name.
func (d *Definition) Add(t *Target) {
	if have := d.target(t.Name); have != nil {
		have.Merge(t)
		return
	}
	d.Targets = append(d.Targets, t)
}

// AddGroup puts a group into the definition, in place of one of its name.
func (d *Definition) AddGroup(g *Group) {
	if have := d.group(g.Name); have != nil {
		*have = *g
		return
	}
	d.Groups = append(d.Groups, g)
}

func (d *Definition) target(name string) *Target {
	i := slices.IndexFunc(d.Targets, func(t *Target) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return d.Targets[i]
}

func (d *Definition) group(name string) *Group {
	i := slices.IndexFunc(d.Groups, func(g *Group) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return d.Groups[i]
}

// names are those of all targets and groups, for messages.
func (d *Definition) names() string {
	var all []string
	for _, g := range d.Groups {
		all = append(all, g.Name)
	}
	for _, t := range d.Targets {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// match lists the targets that a pattern of --set means.
func (d *Definition) match(pattern string) (names []string, err error) {
	for _, t := range d.Targets {
		ok, err := path.Match(pattern, t.Name)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "the pattern %q is malformed", pattern)
		}
		if ok || t.Name == pattern {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no target matches %q; there are: %s", pattern, d.names())
	}
	return names, nil
}

// TargetName makes a valid name of any word: compose allows dots, targets do not.
func TargetName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// Unique is the list without what is in it twice.
func Unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
