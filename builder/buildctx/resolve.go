package buildctx

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// maxLinks is how many symbolic links one lookup follows, as in the kernel.
const maxLinks = 40

// Resolve follows p, symbolic links included, as if the tree were the root of
// the machine: ".." and absolute links stay inside. It returns the path without
// links, and the entry there, or nil when nothing is; the rest of the path is
// then taken as it is written.
func (t *Tree) Resolve(p string) (real string, e *Entry, err error) {
	todo := strings.Split(p, "/")
	var done []*Entry // the directories entered, without the root
	at := t.root
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(done) > 0 {
				done = done[:len(done)-1]
			}
			at = t.last(done)
			continue
		}
		if !at.IsDir() {
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: /%s is not a directory", p, at.Path)
		}
		kid, err := t.child(at, name)
		if err != nil {
			return "", nil, err
		}
		if kid == nil {
			rest := path.Join("/", at.Path, name, path.Join(todo...))
			return rest[1:], nil, nil
		}
		if kid.Type() != unix.S_IFLNK {
			done = append(done, kid)
			at = kid
			continue
		}
		if links++; links > maxLinks {
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: more than %d symbolic links", p, maxLinks)
		}
		todo = append(strings.Split(kid.Link, "/"), todo...)
		if path.IsAbs(kid.Link) {
			done = done[:0]
		}
		at = t.last(done)
	}
	return at.Path, at, nil
}

func (t *Tree) last(done []*Entry) *Entry {
	if len(done) == 0 {
		return t.root
	}
	return done[len(done)-1]
}
