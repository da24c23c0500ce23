// Package reserve keeps room on a disk, in a file that nobody reads, for what has
// to be written when the disk is full.
package reserve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

const (
	// Name is the file's, in a registry's root.
	Name = "reserve"
	// size is enough for the deletes that it takes to empty a disk: some
	// dozen pages each, in a write-ahead log that begins again after 4 MB.
	size = 6 << 20
)

// File is a metadata.Reserve. It is safe for concurrent use, also by several
// processes, since each looks whether the file is there.
type File struct {
	name string

	mu sync.Mutex
	// impossible says that the file system has no such thing as room to reserve.
	impossible bool
}

// In returns the reserve of a registry's root; Fill makes it.
func In(root string) *File { return &File{name: filepath.Join(root, Name)} }

// Release removes the file. That frees an inode too.
func (r *File) Release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return os.Remove(r.name) == nil
}

// Try does what may meet a full disk, and once more, with the reserve's room,
// when it did.
func (r *File) Try(do func() error) error {
	err := do()
	if IsFull(err) && r.Release() {
		err = do()
	}
	return err
}

// Fill makes the file again when it is gone.
func (r *File) Fill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.impossible {
		return nil
	}
	if fi, err := os.Lstat(r.name); err == nil && fi.Size() == size {
		return nil
	}
	err := r.allocate()
	if IsFull(err) {
		err = errors.Join(err, ignoreMissing(os.Remove(r.name)))
		return errdefs.Errorf(errdefs.ErrExhausted, "the registry's disk is full but for what deletes need: %w", err)
	}
	r.impossible = err != nil
	return nil
}

func (r *File) allocate() error {
	f, err := os.OpenFile(r.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, size))
	}
	if err != nil {
		err = fmt.Errorf("reserving %d bytes: %w", size, err)
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// IsFull says that a disk, or its table of files, is full.
func IsFull(err error) bool {
	return errors.Is(err, errdefs.ErrExhausted) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
