package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/mount"
	"cove/layers/tree"
)

// maxDepth is how many components a path may have, as in an archive.
const maxDepth = 256

// Root is an open directory below which names are resolved. Owners map those of
// its files to those that a container sees.
type Root struct {
	FD     int
	Owners mount.IDMap
}

// Source is a file or a tree that is to be copied.
type Source struct {
	// Name is the last name of its path, "." for what is in a directory.
	Name string
	Dir  bool // it is a directory

	at   *tree.Cursor // stands in the directory that holds base
	base string
	opt  archive.PackOptions
}

// Find finds what is to be copied: name, below the root, which
// no link leads out of. follow resolves name itself when it is a link. skip, if
// set, leaves out names below root. Close the Source.
func Find(ctx context.Context, root Root, name string, follow bool, skip func(name string) bool) (*Source, error) {
	s := &Source{Name: path.Base(path.Clean("/" + name)), opt: archive.PackOptions{Owners: root.Owners}}
	dir, base := split(name)
	if base == "." {
		s.Name = "."
	}
	follow = follow || strings.HasSuffix(name, "/") // a link is a directory by where it leads
	found, err := find(ctx, root.FD, dir, base, follow)
	if err != nil {
		return nil, err
	}
	if !found.exists() {
		found.at.Close()
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such file or directory: %s", name)
	}
	s.at, s.base, s.Dir = found.at, found.base, tree.IsDir(found.st.Mode)
	if !s.Dir && strings.HasSuffix(name, "/") {
		s.Close()
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "not a directory: %s", name)
	}
	if skip != nil {
		top := path.Clean(s.at.Child(s.base))
		s.opt.Skip = func(entry string) bool {
			rest, below := strings.CutPrefix(path.Clean(entry), s.Name+"/")
			if s.Name == "." {
				rest, below = path.Clean(entry), entry != "."
			}
			return below && skip(path.Join(top, rest))
		}
	}
	return s, nil
}

// Archive is Pack for who asked for name, which is what docker's clients build on: what
// is in a directory has names that begin with "./", what is in the root ones with "/".
func (s *Source) Archive(ctx context.Context, w io.Writer, name string) error {
	opt := s.opt
	switch {
	case s.Name != ".":
	case name != "" && strings.Trim(name, "/") == "":
		opt.Lead = "/"
	default:
		opt.Lead = "./"
	}
	aw := archive.NewWriter(w, opt)
	if err := aw.Tree(ctx, s.at.Dir(), s.base, s.Name); err != nil {
		return err
	}
	return aw.Close()
}

// Close lets go of it.
func (s *Source) Close() error { return s.at.Close() }

// Pack writes it as a tar. The names of the entries begin with Name.
func (s *Source) Pack(ctx context.Context, w io.Writer) error {
	aw := archive.NewWriter(w, s.opt)
	if err := aw.Tree(ctx, s.at.Dir(), s.base, s.Name); err != nil {
		return err
	}
	return aw.Close()
}

// split is path.Split that keeps a trailing "." and takes "" for it.
func split(name string) (dir, base string) {
	dir, base = path.Split(strings.TrimRight(name, "/"))
	if base == "" || base == ".." {
		return name, "."
	}
	return dir, base
}

// place is a name in a directory of a tree, whether or not there is something.
type place struct {
	at   *tree.Cursor
	base string
	st   *unix.Stat_t // nil when there is nothing
}

func (p place) exists() bool { return p.st != nil }

// find resolves dir below root and looks at base there.
func find(ctx context.Context, root int, dir, base string, follow bool) (place, error) {
	at, err := tree.NewCursor(fdPath(root), maxDepth, nil)
	if err != nil {
		return place{}, err
	}
	for range 40 { // links, as in the kernel
		if err := at.Enter(ctx, dir); err != nil {
			at.Close()
			return place{}, notThere(dir, err)
		}
		st, err := tree.Stat(at.Dir(), base)
		if errors.Is(err, unix.ENOENT) {
			return place{at: at, base: base}, nil
		}
		if err == nil && (!follow || !tree.IsLink(st.Mode)) {
			return place{at: at, base: base, st: &st}, nil
		}
		var link string
		if err == nil {
			link, err = tree.ReadLink(at.Dir(), base)
		}
		if err != nil {
			name := at.Child(base)
			at.Close()
			return place{}, notThere(name, err)
		}
		if !strings.HasPrefix(link, "/") {
			link = at.Path() + "/" + link
		}
		dir, base = split(link)
	}
	at.Close()
	return place{}, notThere(dir, unix.ELOOP)
}

func notThere(name string, err error) error {
	kind := errdefs.ErrInvalid
	if errors.Is(err, unix.ENOENT) {
		kind = errdefs.ErrNotFound
	}
	return errdefs.Errorf(kind, "/%s: %w", strings.Trim(name, "/"), err)
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Owner is a user and a group, by number.
type Owner struct{ UID, GID int }

// PutOptions says how a copy is written.
type PutOptions struct {
	// Owner is who owns what is written; nil keeps the owners of the source.
	Owner *Owner
	// Confined resolves links below the destination instead of below the root:
	// nothing is written outside of it.
	Confined bool
}

// Put copies src to dst below the open directory root, by cp's rules: into a
// directory that exists, else as dst in a directory that does. It returns how
// many bytes the files and their headers have.
func Put(ctx context.Context, root Root, dst string, src *Source, o PutOptions) (int64, error) {
	dir, base := split(dst)
	to, err := find(ctx, root.FD, dir, base, true)
	if err != nil {
		return 0, err
	}
	defer func() { to.at.Close() }()
	name, err := target(dst, to, src)
	if err != nil {
		return 0, err
	}
	if name == "" { // into the directory
		if err := to.at.Enter(ctx, to.at.Child(to.base)); err != nil {
			return 0, notThere(dst, err)
		}
		if name = src.Name; name == "." {
			name = ""
		}
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(src.Pack(ctx, w)) }()
	counted := &counter{r: r}
	rename := func(hdr *tar.Header) bool {
		keep := hdr.Name != "./" || name != ""
		hdr.Name = moved(hdr.Name, src.Name, name)
		if hdr.Typeflag == tar.TypeLink {
			hdr.Linkname = moved(hdr.Linkname, src.Name, name)
		}
		if o.Owner != nil {
			hdr.Uid, hdr.Gid = o.Owner.UID, o.Owner.GID
		}
		return keep
	}
	err = destination{root: root, at: to.at, confined: o.Confined}.extract(ctx, counted, rename)
	r.CloseWithError(err) // ends the packer too
	return counted.n, err
}

// moved replaces the first name of an entry.
func moved(entry, from, to string) string {
	if from == "." {
		return to + "/" + entry
	}
	return to + strings.TrimPrefix(entry, from)
}

// target says under which name src goes into the directory of to; "" is into to
// itself, which is a directory.
func target(dst string, to place, src *Source) (string, error) {
	slash := strings.HasSuffix(dst, "/") || strings.HasSuffix(dst, "/.")
	switch {
	case to.exists() && tree.IsDir(to.st.Mode):
		return "", nil
	case to.exists() && src.Dir:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot copy directory onto a file: %s", dst)
	case to.exists() && slash:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "not a directory: %s", dst)
	case !to.exists() && slash && !src.Dir:
		return "", errdefs.Errorf(errdefs.ErrNotFound, "no such directory: %s", dst)
	}
	return to.base, nil
}

// ExtractOptions say how a tar is extracted.
type ExtractOptions struct {
	// Owner is who owns what is written; nil keeps the owners of the tar.
	Owner *Owner
	// KeepKinds refuses a directory where something else is, and the other way round.
	KeepKinds bool
}

// Extract extracts a tar, compressed or not, into the directory dst below the open
// directory root.
func Extract(ctx context.Context, root Root, dst string, r io.Reader, o ExtractOptions) error {
	at, err := tree.NewCursor(fdPath(root.FD), maxDepth, nil)
	if err != nil {
		return err
	}
	defer at.Close()
	if err := at.Enter(ctx, dst); err != nil {
		return notThere(dst, err)
	}
	unpacked, err := compress.NewReader(ctx, r, compress.Limits{})
	if err != nil {
		return err
	}
	defer unpacked.Close()
	to := destination{root: root, at: at, keepKinds: o.KeepKinds}
	return to.extract(ctx, unpacked, func(hdr *tar.Header) bool {
		if o.Owner != nil {
			hdr.Uid, hdr.Gid = o.Owner.UID, o.Owner.GID
		}
		return true
	})
}

// destination is the directory where at stands, below the open directory root.
type destination struct {
	root      Root
	at        *tree.Cursor
	confined  bool
	keepKinds bool
}

// extract writes a tar to the destination. Names are resolved below the root, so
// that an absolute link there means what it means to a container; a confined
// destination is itself the root.
func (d destination) extract(ctx context.Context, r io.Reader, rewrite func(*tar.Header) bool) error {
	if err := writable(d.at.Dir()); err != nil { // also when there is nothing in it
		return fmt.Errorf("/%s: %w", d.at.Path(), err)
	}
	root, prefix := d.root.FD, d.at.Path()+"/"
	if d.confined {
		root, prefix = d.at.Dir(), ""
	}
	return archive.Extract(ctx, fdPath(root), r, archive.Options{
		// What is copied is the user's own to choose.
		Limits: archive.Limits{Bytes: -1, Entries: -1},
		Owners: d.root.Owners, KeepKinds: d.keepKinds,
		Rewrite: func(hdr *tar.Header) bool {
			keep := rewrite(hdr)
			hdr.Name = prefix + hdr.Name
			if hdr.Typeflag == tar.TypeLink {
				hdr.Linkname = prefix + hdr.Linkname
			}
			return keep
		},
	})
}

// writable is EROFS for a directory of a mount that is read-only.
func writable(dir int) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(dir, &st); err != nil {
		return err
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return unix.EROFS
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Open opens the directory at a path of our own, to work below it.
func Open(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s: %w", dir, err)
	}
	return fd, nil
}
