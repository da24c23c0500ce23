package buildctx

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

// ships says whether an extended attribute goes into an image: from another stage
// all that a layer holds; from a context not the access lists, which name users
// of this machine as the owners do.
func (t *Tree) ships(name string) bool {
	return tree.Ships(name) && (t.KeepOwner || !strings.HasPrefix(name, "system."))
}

// xattrs reads the attributes of an open file or directory that ship.
func (t *Tree) xattrs(fd int, p string) (map[string]string, error) {
	names, err := tree.ListXattrs(fd)
	if err != nil {
		return nil, FileError(p, err)
	}
	var out map[string]string
	for _, name := range names {
		if !t.ships(name) {
			continue
		}
		value, err := tree.GetXattr(fd, name)
		if errors.Is(err, unix.ENODATA) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, FileError(p, err)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = string(value)
	}
	return out, nil
}
