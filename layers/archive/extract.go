package archive

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"math"
	"path"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/tree"
)

// Extract writes the tar stream r (uncompressed: see package compress) into
// the directory dir, which must exist. Entries replace what is there, except
// that a directory merges with a directory. An archive that breaks a limit is
// errdefs.ErrExhausted, one that is malformed errdefs.ErrInvalid; every error
// names the entry.
func Extract(ctx context.Context, dir string, r io.Reader, opt Options) error {
	x, err := NewExtractor(dir, opt, Hooks{})
	if err != nil {
		return err
	}
	return errors.Join(x.All(ctx, r), x.Close())
}

// Hooks are how package apply takes part in an extraction. All may be nil.
type Hooks struct {
	// Fill is tree.Fill: it makes a directory that an entry needs and that no
	// entry made. Without it a plain one is made, 0755 and root's.
	Fill tree.Fill
	// Special is shown each entry, with its clean name; it returns true for
	// one that it dealt with, which is then not extracted.
	Special func(ctx context.Context, name string) (bool, error)
	// Missing makes base in the cursor's directory, because a hard link names
	// it and it is not there; an error is the link's.
	Missing func(ctx context.Context, at *tree.Cursor, base string) error
	// Made is called for each entry after it was extracted to base in the
	// cursor's directory; "" is the top itself. replaced says that something
	// that was no directory had to go for it.
	Made func(at *tree.Cursor, base string, hdr *tar.Header, replaced bool) error
}

// Extractor extracts archives into one directory, entry by entry.
type Extractor struct {
	at      *tree.Cursor
	opt     Options
	noting  bool // owners that this user namespace lacks are noted
	lim     Limits
	hooks   Hooks
	buf     []byte
	entries int64
	bytes   int64
}

// NewExtractor returns an Extractor into dir. Close it: the last directory
// times are set then.
func NewExtractor(dir string, opt Options, hooks Hooks) (*Extractor, error) {
	noting := !opt.Unprivileged && unix.Geteuid() == 0 && tree.OneOwner()
	opt.Unprivileged = opt.Unprivileged || unix.Geteuid() != 0 || tree.OneOwner()
	x := &Extractor{opt: opt, noting: noting, lim: opt.Limits.withDefaults(), hooks: hooks}
	if x.hooks.Fill == nil {
		x.hooks.Fill = MakeParent
	}
	at, err := tree.NewCursor(dir, int(min(x.lim.Depth, 1<<20)), x.hooks.Fill)
	if err != nil {
		return nil, err
	}
	x.at = at
	return x, nil
}

// MakeParent is a tree.Fill that makes a plain directory where there is
// nothing. Its time is the epoch, so that one archive makes one tree, whenever
// it is extracted.
func MakeParent(_ context.Context, dir int, _, base string, st *unix.Stat_t) (string, error) {
	if st != nil {
		return "", unix.ENOTDIR
	}
	if err := unix.Mkdirat(dir, base, 0o755); err != nil {
		return "", err
	}
	if err := unix.Fchmodat(dir, base, 0o755, 0); err != nil {
		return "", err
	}
	return "", tree.SetTimes(dir, base, unix.Timespec{})
}

// At is the cursor that the extraction works with.
func (x *Extractor) At() *tree.Cursor { return x.at }

// Entries is how many entries were read.
func (x *Extractor) Entries() int { return int(x.entries) }

// FileBytes is how many bytes the files had that were read.
func (x *Extractor) FileBytes() int64 { return x.bytes }

// Close ends the extraction and sets the last directory times.
func (x *Extractor) Close() error { return x.at.Close() }

// All extracts every entry of the tar stream r, and stops where the archive
// ends.
func (x *Extractor) All(ctx context.Context, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		hdr, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return tarError(err, x.entries)
		}
		if err := x.Entry(ctx, hdr, tr); err != nil {
			return err
		}
	}
}

// tarError gives an error of the tar reader its kind: one of the stream below
// comes through as it is.
func tarError(err error, after int64) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) ||
		errors.Is(err, tar.ErrInsecurePath) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errdefs.Errorf(errdefs.ErrInvalid, "tar: after entry %d: %w", after, err)
	}
	return err
}

// Entry extracts one entry; body is read up to its end for a regular file.
func (x *Extractor) Entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if x.opt.Rewrite != nil && !x.opt.Rewrite(hdr) {
		return nil
	}
	err := x.own(hdr)
	if err == nil {
		err = x.entry(ctx, hdr, body)
	}
	if err == nil {
		return nil
	}
	for _, k := range errnoKinds {
		if errors.Is(err, k.errno) {
			return errdefs.Errorf(k.kind, "tar: entry %s: %w", quote(hdr.Name), err)
		}
	}
	return &entryError{hdr.Name, err}
}

// own gives an entry the owner that it has on disk.
func (x *Extractor) own(hdr *tar.Header) error {
	if x.opt.Owners.IsZero() || hdr.Uid < 0 || hdr.Gid < 0 || hdr.Uid > math.MaxInt32 || hdr.Gid > math.MaxInt32 {
		return nil // what is out of range, the checks refuse
	}
	uid, gid, ok := x.opt.Owners.Outside(uint32(hdr.Uid), uint32(hdr.Gid))
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "owner %d:%d is not in the container's user namespace", hdr.Uid,
			hdr.Gid)
	}
	hdr.Uid, hdr.Gid = int(uid), int(gid)
	return nil
}

// errnoKinds tells whose fault an error of the filesystem is.
var errnoKinds = []struct {
	errno, kind error
}{
	{unix.ENOSPC, errdefs.ErrExhausted},
	{unix.EDQUOT, errdefs.ErrExhausted},
	{unix.EFBIG, errdefs.ErrExhausted},
	{unix.EPERM, errdefs.ErrDenied},
	{unix.EACCES, errdefs.ErrDenied},
	{unix.ENOTDIR, errdefs.ErrInvalid},
	{unix.EISDIR, errdefs.ErrInvalid},
	{unix.ELOOP, errdefs.ErrInvalid},
	{unix.ENAMETOOLONG, errdefs.ErrInvalid},
	{unix.ENOENT, errdefs.ErrInvalid},
	{unix.EEXIST, errdefs.ErrInvalid},
	{unix.EINVAL, errdefs.ErrInvalid},
	{io.ErrUnexpectedEOF, errdefs.ErrInvalid},
	{tar.ErrHeader, errdefs.ErrInvalid},
}

func (x *Extractor) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if err := x.admit(hdr); err != nil {
		return err
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if x.hooks.Special != nil {
		if done, err := x.hooks.Special(ctx, name); done || err != nil {
			return err
		}
	}
	if name == "." {
		return x.top(ctx, hdr)
	}
	dir, base := path.Split(name)
	if err := x.at.Enter(ctx, dir); err != nil {
		return err
	}
	replaced, err := x.place(ctx, name, base, hdr, body)
	if err != nil || x.hooks.Made == nil {
		return err
	}
	return x.hooks.Made(x.at, base, hdr, replaced)
}

// top applies the entry of the top directory itself.
func (x *Extractor) top(ctx context.Context, hdr *tar.Header) error {
	if hdr.Typeflag != tar.TypeDir {
		return errdefs.Errorf(errdefs.ErrInvalid, "names the top directory and is not a directory")
	}
	if err := x.at.Enter(ctx, ""); err != nil {
		return err
	}
	if err := x.dirMeta(x.at.Dir(), hdr); err != nil {
		return err
	}
	x.at.SetTime(timespec(hdr.ModTime))
	if x.hooks.Made == nil {
		return nil
	}
	return x.hooks.Made(x.at, "", hdr, false)
}

// Remove removes base, whatever it is, from the directory the cursor stands in.
func (x *Extractor) Remove(base string) error {
	x.at.Touch()
	_, err := tree.Remove(x.at.Dir(), base)
	return err
}

type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return "tar: entry " + quote(e.name) + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }
