package tree

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// maxLinks is how many symbolic links one name may lead through, as in the
// kernel.
const maxLinks = 40

// Fill is asked for a component that a name needs as a directory and that is
// not one: st is nil when base does not exist in dir, else it describes what
// is there (never a directory or a symbolic link). path is dir's own, resolved.
// Fill either makes the directory base, or returns the target of a symbolic
// link to go on with, or an error.
type Fill func(ctx context.Context, dir int, path, base string, st *unix.Stat_t) (link string, err error)

// Cursor stands in one directory of a tree and keeps the directories above it
// open, so that the next name, which is most often a neighbour, costs little.
// It is not safe for concurrent use.
//
// A directory whose children are changed through the cursor keeps its
// modification time: it is noted on the way in and set again on the way out.
type Cursor struct {
	fill  Fill
	chain []level // from the root down to where it stands
	depth int     // most components a name may have
}

type level struct {
	fd            int
	name          string
	path          string // resolved, relative to the root, "" for the root
	mtime         unix.Timespec
	mode          uint32 // to be restored when opened is true
	forced, dirty bool
}

// NewCursor returns a cursor that stands at the top of the tree at dir. fill
// may be nil: then a missing directory is ENOENT. Close it.
func NewCursor(dir string, depth int, fill Fill) (*Cursor, error) {
	fd, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return cursorAt(fd, depth, fill)
}

func cursorAt(fd, depth int, fill Fill) (*Cursor, error) {
	st, err := Fstat(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Cursor{fill: fill, depth: depth, chain: []level{{fd: fd, mtime: st.Mtim}}}, nil
}

// Fork returns a second cursor at the top of the same tree.
func (c *Cursor) Fork() (*Cursor, error) {
	fd, err := unix.FcntlInt(uintptr(c.chain[0].fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return cursorAt(fd, c.depth, c.fill)
}

// Dir is the directory the cursor stands in. It is the cursor's, and open
// until the cursor moves.
func (c *Cursor) Dir() int { return c.chain[len(c.chain)-1].fd }

// Path is the resolved name of that directory, "" at the top.
func (c *Cursor) Path() string { return c.chain[len(c.chain)-1].path }

// Child is the resolved name of base in that directory.
func (c *Cursor) Child(base string) string { return join(c.Path(), base) }

// Touch notes that the caller is about to change what the directory holds.
func (c *Cursor) Touch() { c.chain[len(c.chain)-1].dirty = true }

// SetTime gives the directory the cursor stands in this modification time.
func (c *Cursor) SetTime(mtime unix.Timespec) {
	top := &c.chain[len(c.chain)-1]
	top.mtime, top.dirty = mtime, true
}

// Enter moves to the directory called name, resolved below the top: leading
// slashes, "..", and links that point above or absolutely all end inside.
func (c *Cursor) Enter(ctx context.Context, name string) error {
	todo := strings.Split(name, "/")
	if len(todo) > c.depth {
		return errdefs.Errorf(errdefs.ErrExhausted, "more than %d directories deep", c.depth)
	}
	pos, links := 0, 0
	for len(todo) > 0 {
		comp := todo[0]
		todo = todo[1:]
		switch {
		case comp == "" || comp == ".":
			continue
		case comp == "..":
			pos = max(pos-1, 0)
			continue
		case pos+1 < len(c.chain) && c.chain[pos+1].name == comp:
			pos++
			continue
		}
		if err := c.leave(pos); err != nil {
			return err
		}
		link, err := c.step(ctx, comp)
		if err != nil {
			return err
		}
		if link == "" {
			pos++
			continue
		}
		if links++; links > maxLinks {
			return unix.ELOOP
		}
		if strings.HasPrefix(link, "/") {
			pos = 0
		}
		todo = append(strings.Split(link, "/"), todo...)
		if len(todo) > 2*c.depth {
			return unix.ENAMETOOLONG
		}
	}
	return c.leave(pos)
}

// step goes down into comp, or returns the target of the link it is.
func (c *Cursor) step(ctx context.Context, comp string) (link string, err error) {
	if len(c.chain) > c.depth {
		return "", errdefs.Errorf(errdefs.ErrExhausted, "more than %d directories deep", c.depth)
	}
	for filled := false; ; filled = true {
		err := c.push(comp)
		if err == nil {
			return "", nil
		}
		var st *unix.Stat_t
		switch {
		case errors.Is(err, unix.ENOENT):
		case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
			found, serr := Stat(c.Dir(), comp)
			if serr != nil {
				return "", serr
			}
			if IsLink(found.Mode) {
				return ReadLink(c.Dir(), comp)
			}
			st = &found
		default:
			return "", err
		}
		if c.fill == nil || filled {
			return "", err
		}
		c.Touch()
		if link, err = c.fill(ctx, c.Dir(), c.Path(), comp, st); err != nil || link != "" {
			return link, err
		}
	}
}

// push opens comp, a directory, and stands in it.
func (c *Cursor) push(comp string) error {
	dir := c.Dir()
	l := level{name: comp, path: c.Child(comp)}
	fd, err := OpenDir(dir, comp)
	if errors.Is(err, unix.EACCES) {
		// Not root, and the archive made a directory that its owner may not
		// read: open it for as long as we are inside.
		st, serr := Stat(dir, comp)
		if serr != nil || !IsDir(st.Mode) {
			return err
		}
		if unix.Fchmodat(dir, comp, st.Mode&0o7777|0o700, 0) != nil {
			return err
		}
		l.mode, l.forced = st.Mode&0o7777, true
		fd, err = OpenDir(dir, comp)
	}
	if err != nil {
		return err
	}
	st, err := Fstat(fd)
	if err != nil {
		unix.Close(fd)
		return err
	}
	if !l.forced && unix.Geteuid() != 0 && st.Mode&0o700 != 0o700 && unix.Fchmod(fd, st.Mode&0o7777|0o700) == nil {
		l.mode, l.forced = st.Mode&0o7777, true
	}
	l.fd, l.mtime = fd, st.Mtim
	c.chain = append(c.chain, l)
	return nil
}

// leave goes up until only keep levels below the top are open.
func (c *Cursor) leave(keep int) error {
	var first error
	for len(c.chain) > keep+1 {
		if err := c.pop(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c *Cursor) pop() error {
	l := c.chain[len(c.chain)-1]
	c.chain = c.chain[:len(c.chain)-1]
	var err error
	if l.dirty {
		err = SetTimes(l.fd, "", l.mtime)
	}
	if l.forced {
		err = errors.Join(err, unix.Fchmod(l.fd, l.mode))
	}
	unix.Close(l.fd)
	return err
}

// Close leaves all directories.
func (c *Cursor) Close() error {
	if len(c.chain) == 0 {
		return nil
	}
	err := c.leave(0)
	return errors.Join(err, c.pop())
}

func join(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}
