package fsstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/errdefs"
)

var _ content.Linker = (*Store)(nil)

// Link implements content.Linker. Whoever wrote the file need not have made it
// durable, so that is done here.
func (s *Store) Link(ctx context.Context, desc ocispec.Descriptor, f *os.File) error {
	name, err := blobName(desc.Digest)
	dir := blobFolder(desc.Digest)
	for _, do := range []func() error{
		func() error { return s.checkFile(ctx, desc, f) },
		func() error { return s.step(StepSync, f.Sync) },
		func() error { return s.ensureDir(dir) },
		func() error { return s.step(StepRename, func() error { return s.link(f, dir, desc.Digest, name) }) },
		func() error { return s.step(StepSyncDir, func() error { return s.syncDir(dir) }) },
	} {
		if err == nil {
			err = do()
		}
	}
	return diskError("linking "+content.BlobName(desc.Digest), err)
}

// checkFile refuses a file that is not the blob, or that who owns the store could not
// read: the command that links may run as somebody else than the server.
func (s *Store) checkFile(ctx context.Context, desc ocispec.Descriptor, f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return content.BlobErrorf(errdefs.ErrInvalid, desc.Digest, "%s is no file, but %s", f.Name(), kindOf(fi.Mode()))
	}
	if err := s.readable(fi); err != nil {
		return err
	}
	if desc.Size != 0 && desc.Size != fi.Size() {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", fi.Size(), desc.Size)
	}
	bytes := content.Until(ctx, io.NewSectionReader(f, 0, fi.Size()))
	got, err := desc.Digest.Algorithm().FromReader(bytes)
	if err == nil && got != desc.Digest {
		err = content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "the %d bytes that came hash to %s", fi.Size(), got)
	}
	return err
}

func (s *Store) readable(file fs.FileInfo) error {
	store, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	theirs, ours := file.Sys().(*syscall.Stat_t), store.Sys().(*syscall.Stat_t)
	if file.Mode()&0o004 != 0 || theirs.Uid == ours.Uid && file.Mode()&0o400 != 0 {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported,
		"file %s has mode %o and belongs to user %d, so that user %d, who has %s, cannot read it: "+
			"change its mode or its owner, or have it copied",
		file.Name(), file.Mode().Perm(), theirs.Uid, ours.Uid, s.path)
}

// link gives the open file, whatever its name leads to by now, the name of the blob.
func (s *Store) link(f *os.File, dir string, dgst digest.Digest, name string) error {
	err := s.linkAs(f, dir, dgst.Encoded())
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// What has the name may be damaged: it is replaced, as by a Commit. A link to the same
	// file is not: a rename over it would leave both.
	if same, err := isFile(f, s.root, name); same || err != nil {
		return err
	}
	tmp := "link." + rand.Text() + tempSuffix
	if err := s.linkAs(f, ingest, tmp); err != nil {
		return err
	}
	to, err := s.blobDir(dgst)
	if err == nil {
		err = s.place(tmp, to, dgst.Encoded())
	}
	if err != nil {
		return errors.Join(err, s.root.Remove("ingest/"+tmp))
	}
	return nil
}

func (s *Store) linkAs(f *os.File, dir, name string) error {
	to, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	open := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	err = unix.Linkat(unix.AT_FDCWD, open, int(to.Fd()), name, unix.AT_SYMLINK_FOLLOW)
	switch {
	case errors.Is(err, unix.EXDEV):
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"file %s is on another file system than %s, or mounted apart: have it copied", f.Name(), s.path)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP):
		return errdefs.Errorf(errdefs.ErrUnsupported, "file %s cannot be linked: the file system knows no hard links, "+
			"or the file belongs to somebody else (sysctl fs.protected_hardlinks): run this as its owner, or have it copied",
			f.Name())
	case errors.Is(err, unix.EMLINK):
		return errdefs.Errorf(errdefs.ErrUnsupported, "file %s has as many names as the file system allows: have it copied",
			f.Name())
	}
	return err
}
