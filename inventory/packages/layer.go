package packages

import (
	"hash/fnv"
	"slices"
	"strings"
)

// Layer is what one layer says of packages, and what it takes from those below.
type Layer struct {
	// Files say what is there. One without packages is of a kind that could, and
	// takes the place of the one below.
	Files []File `json:"files,omitempty"`
	// Removed are paths, with all below them, that the layer deletes; of Opaque
	// directories it deletes what layers below have in them.
	Removed []string `json:"removed,omitempty"`
	Opaque  []string `json:"opaque,omitempty"`
	// Plain are hashes of the paths of programs that say nothing, in order; see Hash.
	Plain []uint64 `json:"plain,omitempty"`
	// Partial says why there may be more; "" when all was read.
	Partial string `json:"partial,omitempty"`
}

// File is a file that says which packages there are.
type File struct {
	Path     string    `json:"path"`
	Packages []Package `json:"packages,omitempty"`
	Release  *Release  `json:"release,omitempty"` // of the system, if it says that
	// Owned are files that a package manager has put there: what they say is said by
	// its package.
	Owned []uint64 `json:"owned,omitempty"`
}

// Hash stands for a path in a list of many.
func Hash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it cannot fail
	return h.Sum64()
}

// Stack puts layers together, the lowest first.
func Stack(layers []Layer) Image {
	files := map[string]File{}
	partial := ""
	for _, l := range layers {
		for _, dir := range l.Opaque {
			drop(files, func(name string) bool { return within(name, dir) && name != dir })
		}
		for _, gone := range l.Removed {
			drop(files, func(name string) bool { return within(name, gone) })
		}
		if len(l.Plain) > 0 {
			drop(files, func(name string) bool {
				_, plain := slices.BinarySearch(l.Plain, Hash(name))
				return plain
			})
		}
		for _, f := range l.Files {
			files[f.Path] = f
		}
		if partial == "" {
			partial = l.Partial
		}
	}
	return collect(files, partial)
}

func drop(files map[string]File, gone func(name string) bool) {
	for name := range files {
		if gone(name) {
			delete(files, name)
		}
	}
}

// collect gathers what files say. Where the system's package manager owns a file of
// a language's package, the distribution answers for it, which mends it without
// changing its version.
func collect(files map[string]File, partial string) Image {
	image := Image{Partial: partial}
	owned := map[uint64]bool{}
	for _, f := range files {
		for _, h := range f.Owned {
			owned[h] = true
		}
	}
	for name, f := range files {
		if f.Release != nil && better(*f.Release, name, image.Release) {
			image.Release = *f.Release
		}
		for _, p := range f.Packages {
			if p.OfSystem() || !owned[Hash(name)] {
				image.Packages = append(image.Packages, Found{p, name})
			}
		}
	}
	image.sort()
	return image
}

// better says whether a file's word on the system is to be taken: etc/os-release
// before that below usr/lib.
func better(r Release, name string, now Release) bool {
	return r.ID != "" && (now.ID == "" || strings.HasPrefix(name, "etc/"))
}
