package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

const (
	reserveFile = "reserve"
	// reserveSize is enough for the deletes that it takes to empty a disk: some
	// dozen pages each, in a write-ahead log that begins again after 4 MB.
	reserveSize = 6 << 20
)

// reserve is a metadata.Reserve: a file that nobody reads.
type reserve struct {
	name string

	mu     sync.Mutex
	filled bool
}

// Release removes the file. That frees an inode too.
func (r *reserve) Release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filled = false
	return os.Remove(r.name) == nil
}

// Fill makes the file again when it is gone.
func (r *reserve) Fill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.filled {
		return nil
	}
	if fi, err := os.Lstat(r.name); err == nil && fi.Size() == reserveSize {
		r.filled = true
		return nil
	}
	if err := r.allocate(); isFull(err) {
		err = errors.Join(err, ignoreMissing(os.Remove(r.name)))
		return errdefs.Errorf(errdefs.ErrExhausted, "the registry's disk is full but for what deletes need: %w", err)
	}
	r.filled = true // or the file system has no such thing as room to reserve
	return nil
}

func (r *reserve) allocate() error {
	f, err := os.OpenFile(r.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, reserveSize)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, reserveSize))
	}
	if err != nil {
		err = fmt.Errorf("reserving %d bytes: %w", reserveSize, err)
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isFull says that a disk, or its table of files, is full.
func isFull(err error) bool {
	return errors.Is(err, errdefs.ErrExhausted) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
