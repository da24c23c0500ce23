// Package whiteout knows the two forms of a deletion in a layer.
//
// In a tar it is a file whose name begins with ".wh." (image-spec layer.md,
// "Whiteouts"); in an overlay's upper directory it is a character device 0:0,
// or an attribute of a directory that hides all below it. Packages diff and
// apply translate between them, and both look below an upper directory
// through [Lowers].
package whiteout

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/tree"
)

// The forms in a tar.
const (
	Prefix = ".wh."
	// Meta begins the names of aufs's own bookkeeping, which mean nothing to a
	// layer, but for Opaque.
	Meta = ".wh..wh."
	// Opaque, in a directory, hides all that lower layers have in it.
	Opaque = ".wh..wh..opq"
)

// The attributes that overlay keeps, below either "trusted." or "user.".
const (
	attrOpaque   = "overlay.opaque"
	attrRedirect = "overlay.redirect"
	attrMetacopy = "overlay.metacopy"
)

// Within refuses, with errdefs.ErrInvalid, a path with a name in it that would mean a
// deletion in a layer.
func Within(path string) error {
	for name := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(name, Prefix) {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"%q: a name that begins with %s marks a deleted file in a layer, so no file can have it", path, Prefix)
		}
	}
	return nil
}

// Parse tells what a base name in a tar means: hidden is the name that it
// deletes, opaque that it is the opaque marker, meta that it is aufs's and to
// be skipped. A name that is none of these is an ordinary one.
func Parse(base string) (hidden string, opaque, meta bool, err error) {
	switch {
	case base == Opaque:
		return "", true, false, nil
	case strings.HasPrefix(base, Meta):
		return "", false, true, nil
	case !strings.HasPrefix(base, Prefix):
		return "", false, false, nil
	}
	hidden = base[len(Prefix):]
	if hidden == "" || hidden == "." || hidden == ".." {
		return "", false, false, errdefs.Errorf(errdefs.ErrInvalid, "a whiteout of %q", hidden)
	}
	return hidden, false, false, nil
}

// Is reports whether st is a whiteout in an upper directory.
func Is(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// Make makes the whiteout name in dir.
func Make(dir int, name string) error {
	return unix.Mknodat(dir, name, unix.S_IFCHR, 0)
}

func prefix(user bool) string {
	if user {
		return "user."
	}
	return "trusted."
}

// MakeOpaque makes name in dir, a directory, opaque; "" is dir itself. user
// chooses user.overlay over trusted.overlay.
func MakeOpaque(dir int, name string, user bool) error {
	return tree.SetXattr(dir, name, prefix(user)+attrOpaque, []byte("y"))
}

// IsOpaque reports whether the open directory fd is opaque. The values are
// "y", and "x" for one that merely may hold whiteouts as attributes.
func IsOpaque(fd int) (bool, error) {
	for _, user := range []bool{false, true} {
		v, err := tree.GetXattr(fd, prefix(user)+attrOpaque)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return false, err
		}
		if string(v) == "y" {
			return true, nil
		}
	}
	return false, nil
}

// Partial names the attribute among names, if any, that says that a file's
// data or name is elsewhere, so that the upper directory is not the whole
// change.
func Partial(names []string) (string, bool) {
	for _, n := range names {
		for _, user := range []bool{false, true} {
			if n == prefix(user)+attrRedirect || n == prefix(user)+attrMetacopy {
				return n, true
			}
		}
	}
	return "", false
}
