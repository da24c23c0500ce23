// Package cdi finds devices by the names of the Container Device Interface
// (VENDOR.COM/CLASS=NAME) in the files that vendors leave in /etc/cdi and /var/run/cdi,
// and changes a runtime spec as they say (CDI specification 1.0).
package cdi

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cove/errdefs"
	"cove/internal/strictyaml/late"
)

// Dirs are where files are looked for: what $COVE_CDI_DIRS lists, or the directories of
// the specification. A device of a later directory is before the same of an earlier one.
func Dirs() []string {
	if list := os.Getenv("COVE_CDI_DIRS"); list != "" {
		return filepath.SplitList(list)
	}
	return []string{"/etc/cdi", "/var/run/cdi"}
}

// file is a file of a vendor.
type file struct {
	Version     string            `yaml:"cdiVersion"`
	Kind        string            `yaml:"kind"`
	Annotations map[string]string `yaml:"annotations"`
	Devices     []device          `yaml:"devices"`
	Edits       edits             `yaml:"containerEdits"`
}

type device struct {
	Name        string            `yaml:"name"`
	Annotations map[string]string `yaml:"annotations"`
	Edits       edits             `yaml:"containerEdits"`
}

// edits are what a device changes in a container.
type edits struct {
	Env        []string    `yaml:"env"`
	Nodes      []node      `yaml:"deviceNodes"`
	NetDevices []netDevice `yaml:"netDevices"`
	Hooks      []hook      `yaml:"hooks"`
	Mounts     []bind      `yaml:"mounts"`
	RDT        *struct {
		ClosID         string   `yaml:"closID"`
		L3CacheSchema  string   `yaml:"l3CacheSchema"`
		MemBwSchema    string   `yaml:"memBwSchema"`
		Schemata       []string `yaml:"schemata"`
		EnableCMT      bool     `yaml:"enableCMT"`
		EnableMBM      bool     `yaml:"enableMBM"`
		EnableMonitors bool     `yaml:"enableMonitoring"`
	} `yaml:"intelRdt"`
	Groups []uint32 `yaml:"additionalGids"`
}

type node struct {
	Path        string  `yaml:"path"`
	HostPath    string  `yaml:"hostPath"`
	Type        string  `yaml:"type"`
	Major       int64   `yaml:"major"`
	Minor       int64   `yaml:"minor"`
	FileMode    *uint32 `yaml:"fileMode"`
	Permissions string  `yaml:"permissions"`
	UID         *uint32 `yaml:"uid"`
	GID         *uint32 `yaml:"gid"`
}

type netDevice struct {
	HostName string `yaml:"hostInterfaceName"`
	Name     string `yaml:"name"`
}

type hook struct {
	Name    string   `yaml:"hookName"`
	Path    string   `yaml:"path"`
	Args    []string `yaml:"args"`
	Env     []string `yaml:"env"`
	Timeout *int     `yaml:"timeout"`
}

type bind struct {
	HostPath      string   `yaml:"hostPath"`
	ContainerPath string   `yaml:"containerPath"`
	Options       []string `yaml:"options"`
	Type          string   `yaml:"type"`
}

// qualified is VENDOR/CLASS=NAME; nothing is compiled for containers without such a device.
var qualified = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^` + word(`_.-`) + `/` + word(`_-`) + `=[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$`)
})

// word is a name that begins with a letter and has some of these characters within.
func word(within string) string { return `[A-Za-z](?:[A-Za-z0-9` + within + `]*[A-Za-z0-9])?` }

// IsName reports whether a device is named as the interface does, not by its path.
func IsName(s string) bool { return qualified().MatchString(s) }

// found is a device, with what its file has for all.
type found struct {
	in    string
	file  *file
	edits edits
}

// registry is what the files say.
type registry struct {
	devices map[string]found
	// bad are files that cannot be read, and devices that two files of a directory have.
	bad []error
}

// read reads the files of the directories, in order.
func read(dirs []string) registry {
	r := registry{devices: map[string]found{}}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.bad = append(r.bad, err)
		}
		here := map[string]string{}
		for _, e := range entries {
			ext := filepath.Ext(e.Name())
			if e.IsDir() || ext != ".json" && ext != ".yaml" && ext != ".yml" {
				continue
			}
			name := filepath.Join(dir, e.Name())
			f, err := readFile(name)
			if err != nil {
				r.bad = append(r.bad, err)
				continue
			}
			for _, d := range f.Devices {
				full := f.Kind + "=" + d.Name
				if other := here[full]; other != "" {
					r.bad = append(r.bad, errdefs.Errorf(errdefs.ErrConflict,
						"device %s: both %s and %s have it", full, other, name))
					delete(r.devices, full)
					continue
				}
				here[full] = name
				r.devices[full] = found{in: name, file: f, edits: d.Edits}
			}
		}
	}
	return r
}

func readFile(name string) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var f file
	if err := late.Decode(name, data, &f); err != nil {
		return nil, err
	}
	if major, _, _ := strings.Cut(f.Version, "."); major != "0" && major != "1" {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "%s: cdiVersion %q: want 0.3.0 to 1", name, f.Version)
	}
	for _, d := range f.Devices {
		if !IsName(f.Kind + "=" + d.Name) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %q is no name of a device", name, f.Kind+"="+d.Name)
		}
	}
	return &f, nil
}

// List names the devices that the files have.
func List(dirs []string) []string {
	var names []string
	for name := range read(dirs).devices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Matching are the names of the devices that BuildKit's form of a name means:
// VENDOR/CLASS=NAME that one, VENDOR/CLASS=* all of a kind, VENDOR/CLASS the first of it.
func Matching(dirs []string, name string) (all []string) {
	kind, of, one := strings.Cut(name, "=")
	for _, n := range List(dirs) {
		k, _, _ := strings.Cut(n, "=")
		if n == name || k == kind && (of == "*" || !one) {
			all = append(all, n)
		}
	}
	if !one && len(all) > 1 {
		return all[:1]
	}
	return all
}

// find returns the devices with names; one that no file has is errdefs.ErrNotFound.
func find(dirs, names []string) ([]found, error) {
	if len(names) == 0 {
		return nil, nil
	}
	r := read(dirs)
	var all []found
	for _, name := range names {
		d, ok := r.devices[name]
		if !ok {
			err := errdefs.Errorf(errdefs.ErrNotFound, "CDI device injection failed: unresolvable CDI devices %s: "+
				"no file in %s has it", name, strings.Join(dirs, ", "))
			return nil, errors.Join(append([]error{err}, r.bad...)...)
		}
		all = append(all, d)
	}
	return all, nil
}

// source is where the host has a device node.
func (n node) source() string { return cmp.Or(n.HostPath, n.Path) }
