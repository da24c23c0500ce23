package buildctx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/builder/buildctx/prints"
	"cove/errdefs"
	"cove/internal/inroot"
	"cove/layers/tree"
)

// Tree is a directory and what is below it, without what the ignore rules leave
// out: that is not there for any method. What it has looked at once it does not
// look at again: a build sees one state of its context. It is safe for
// concurrent use.
type Tree struct {
	dir     *os.File
	root    *Entry
	ignore  *Ignore
	stats   *Stats
	hashing sync.Mutex
	margin  int64 // how long after its ctime a file's digest may be trusted, ns

	// Prints are of files whose bytes were hashed before, wherever they were; nil are none.
	Prints *prints.Prints
	// KeepOwner keeps owners, as from another stage. A context has none: they are
	// whoever made the checkout.
	KeepOwner bool
	// Growing takes a file that grows all the time, as a log does, as it was when
	// it was looked at: its beginning. A file that was replaced by a longer one
	// just then would be cut, so it is not for the first look.
	Growing bool
}

// Entry is one file of a Tree.
type Entry struct {
	// Path is relative to the tree, "" for its root.
	Path string
	// Mode is the st_mode: type and permissions.
	Mode     uint32
	UID, GID uint32
	Size     int64
	Rdev     uint64
	// Link is the target of a symbolic link.
	Link string
	// Digest is of a regular file's bytes, after Hash.
	Digest digest.Digest
	// Xattrs are the extended attributes that ship: of a regular file after Hash,
	// of a directory once it was read.
	Xattrs map[string]string
	// Dev, Ino and Nlink tell hard links.
	Dev, Ino, Nlink uint64

	mtime, ctime int64 // nanoseconds

	rules matched // of a directory: what the ignore rules say of it
	once  sync.Once
	kids  []*Entry
	err   error
}

// Open opens the tree at dir. Close it.
func Open(dir string, ignore *Ignore, stats *Stats) (*Tree, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, FileError("context "+dir, err)
	}
	t := &Tree{dir: os.NewFile(uintptr(fd), dir), stats: stats, margin: trustMargin(fd)}
	if err := t.Ignore(ignore); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Ignore makes the tree one that ignores by these rules, with nothing looked at
// yet.
func (t *Tree) Ignore(ignore *Ignore) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(t.dir.Fd()), &st); err != nil {
		return FileError("context "+t.dir.Name(), err)
	}
	t.root, t.ignore = newEntry("", &st), ignore
	return nil
}

// SaveStats keeps what is known of the files for another build.
func (t *Tree) SaveStats() error { return errors.Join(t.stats.Save(), t.Prints.Save()) }

// Close frees the tree's descriptor.
func (t *Tree) Close() error { return t.dir.Close() }

// Root is the entry of the tree itself.
func (t *Tree) Root() *Entry { return t.root }

func newEntry(p string, st *unix.Stat_t) *Entry {
	e := &Entry{}
	e.set(p, st)
	return e
}

// set makes an empty entry that of a file.
func (e *Entry) set(p string, st *unix.Stat_t) {
	e.Path, e.Mode, e.UID, e.GID, e.Size, e.Rdev = p, st.Mode, st.Uid, st.Gid, st.Size, st.Rdev
	e.Dev, e.Ino, e.Nlink = st.Dev, st.Ino, uint64(st.Nlink) //nolint:unconvert // it is 32 bits wide on arm64
	e.mtime, e.ctime = st.Mtim.Nano(), st.Ctim.Nano()
}

// ModTime is when the file was last written.
func (e *Entry) ModTime() time.Time { return time.Unix(0, e.mtime).UTC() }

// Name is the last component of the entry's path.
func (e *Entry) Name() string { return path.Base(e.Path) }

// Type is the part of the mode that says what kind of file it is, as unix.S_IFDIR.
func (e *Entry) Type() uint32 { return e.Mode & unix.S_IFMT }

// IsDir says whether it is a directory.
func (e *Entry) IsDir() bool { return e.Type() == unix.S_IFDIR }

// IsRegular says whether it is a regular file.
func (e *Entry) IsRegular() bool { return e.Type() == unix.S_IFREG }

// below opens a path of the tree. No component of it may be a symbolic link:
// links were resolved before, and a swap since then must not lead elsewhere.
func (t *Tree) below(p string, flags uint64) (int, error) {
	if p == "" {
		p = "."
	}
	fd, err := inroot.Open(int(t.dir.Fd()), p, unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, FileError(p, err)
	}
	return fd, nil
}

// open opens a regular file of the tree for reading.
func (t *Tree) open(e *Entry) (*file, error) {
	// A regular file that became a pipe must not block the build.
	fd, err := t.below(e.Path, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := &file{fd: fd, path: e.Path}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, errdefs.Errorf(errdefs.ErrConflict,
			"%s: it was a regular file when the build looked at it first, and is not now: %w", e.Path, ErrChanged)
	}
	return f, nil
}

// ReadFile reads a small regular file, with links followed inside the tree.
func (t *Tree) ReadFile(name string, limit int64) ([]byte, error) {
	_, e, err := t.Resolve(name)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s: no such file", name)
	}
	if !e.IsRegular() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is not a regular file", name)
	}
	f, err := t.open(e)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, name, limit)
}

// ReadAll reads r to its end, which must come within the limit.
func ReadAll(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, FileError(name, err)
	}
	if int64(len(data)) > limit {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: larger than %d bytes", strings.TrimSpace(name), limit)
	}
	return data, nil
}

// ErrChanged says, within an errdefs.ErrConflict, that a file is not what it was
// when the tree first looked at it. A tree that is opened anew sees what it is
// now.
var ErrChanged = errors.New("it changed while the build read it")

func changed(e *Entry) error {
	return errdefs.Errorf(errdefs.ErrConflict, "%s: %w; build again when nothing writes to it", e.Path, ErrChanged)
}

// Read opens a regular file, gives fn the bytes that it had when the build saw it
// first, and checks that they were those: by the same size and times or, when
// more was written behind them since (a log of this very build), by their digest.
// Otherwise it fails with ErrChanged.
func (t *Tree) Read(e *Entry, fn func(io.Reader) error) error {
	f, err := t.open(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fn(io.LimitReader(f, e.Size)); err != nil {
		if fate, statErr := f.since(e); fate == altered && statErr == nil {
			return errors.Join(changed(e), err) // perhaps it is shorter now
		}
		return err
	}
	fate, err := f.since(e)
	switch {
	case fate == still || err != nil:
		return err
	case e.Digest == "":
		return changed(e)
	}
	again, err := t.open(e)
	if err != nil {
		return err
	}
	defer again.Close()
	sum, err := prints.SHA256(again, e.Size)
	switch {
	case err != nil:
		return FileError(e.Path, err)
	case digestFrom(sum[:]) != e.Digest:
		return changed(e)
	}
	return nil
}

// Again opens the same tree anew, with nothing looked at yet.
func (t *Tree) Again() (*Tree, error) {
	again, err := Open(t.dir.Name(), t.ignore, t.stats)
	if err == nil {
		again.KeepOwner, again.Prints = t.KeepOwner, t.Prints
	}
	return again, err
}

// Lstat finds the entry at a path whose directories are not symbolic links. It
// returns nil when there is none.
func (t *Tree) Lstat(p string) (*Entry, error) {
	at := t.root
	for name := range strings.SplitSeq(p, "/") {
		if name == "" || name == "." {
			continue
		}
		if !at.IsDir() {
			return nil, nil
		}
		kid, err := t.child(at, name)
		if kid == nil || err != nil {
			return nil, err
		}
		at = kid
	}
	return at, nil
}

// entries returns what a directory holds, sorted by name.
func (t *Tree) entries(e *Entry) ([]*Entry, error) {
	e.once.Do(func() {
		if e.kids, e.err = t.readDir(e); e.err == nil && t.ignore != nil {
			e.kids, e.err = t.kept(e, e.kids)
		}
	})
	return e.kids, e.err
}

// kept is what the ignore rules keep of a directory's entries. A directory that
// they leave out is kept when they keep something below it, so it is read to
// find out, where a rule could.
func (t *Tree) kept(dir *Entry, all []*Entry) ([]*Entry, error) {
	kept := all[:0]
	for _, kid := range all {
		m, err := t.ignore.step(kid.Path, dir.rules)
		if err != nil {
			return nil, err
		}
		keep := !m.ignored
		if kid.IsDir() {
			kid.rules = m
			if m.ignored && m.below {
				below, err := t.entries(kid)
				if err != nil {
					return nil, err
				}
				keep = len(below) > 0
			}
		}
		if keep {
			kept = append(kept, kid)
		}
	}
	return kept, nil
}

func (t *Tree) readDir(e *Entry) ([]*Entry, error) {
	fd, err := t.below(e.Path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	names, err := readNames(fd, e.Path)
	if err != nil {
		return nil, FileError(e.Path, err)
	}
	if e.Path != "" || t.KeepOwner { // the top of a context is nobody's file
		if e.Xattrs, err = t.xattrs(fd, e.Path); err != nil {
			return nil, err
		}
	}
	all := make([]Entry, len(names)) // a context has so many files that one by one would be felt
	kids := make([]*Entry, 0, len(names))
	for i, p := range names {
		err := all[i].look(fd, p, p[strings.LastIndexByte(p, '/')+1:])
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, err
		}
		if t.KeepOwner && tree.OneOwner() && (all[i].IsDir() || all[i].IsRegular()) {
			if uid, gid, noted := tree.NotedOwner(fd, path.Base(p)); noted {
				all[i].UID, all[i].GID = uid, gid
			}
		}
		kids = append(kids, &all[i])
	}
	return kids, nil
}

// look looks at one name of an open directory, not following it.
func (e *Entry) look(dir int, p, name string) error {
	var st unix.Stat_t
	_, err := retry(func() (int, error) {
		return 0, unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return FileError(p, err)
	}
	e.set(p, &st)
	if e.Type() == unix.S_IFLNK {
		if e.Link, err = readlinkAt(dir, name, int(st.Size)); err != nil {
			return FileError(p, err)
		}
	}
	return nil
}

func readlinkAt(fd int, name string, size int) (string, error) {
	for n := max(size, 64) + 1; ; n *= 2 {
		buf := make([]byte, n)
		got, err := retry(func() (int, error) { return unix.Readlinkat(fd, name, buf) })
		if err != nil {
			return "", err
		}
		if got < n {
			return string(buf[:got]), nil
		}
	}
}

// child finds one name in a directory.
func (t *Tree) child(e *Entry, name string) (*Entry, error) {
	kids, err := t.entries(e)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(kids, name,
		func(k *Entry, name string) int { return strings.Compare(k.Name(), name) })
	if !ok {
		return nil, nil
	}
	return kids[i], nil
}

// retry repeats a call that a signal or a rename interrupted.
func retry(call func() (int, error)) (int, error) {
	for range 100 {
		n, err := call()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
	return -1, unix.EAGAIN
}

// FileError gives an error of the kernel its kind and its object.
func FileError(p string, err error) error {
	if p == "" {
		p = "."
	}
	kind := errdefs.ErrInvalid
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = errdefs.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		kind = errdefs.ErrDenied
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		kind = errdefs.ErrExhausted
	case errors.Is(err, unix.ENOSYS):
		kind, err = errdefs.ErrUnsupported, fmt.Errorf("%w: openat2 is needed (Linux 5.6)", err)
	}
	return errdefs.Errorf(kind, "%s: %w", p, err)
}
