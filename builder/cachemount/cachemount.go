// Package cachemount keeps the directories of RUN --mount=type=cache: named,
// shared between builds and processes as their sharing says, and never part of
// an image.
package cachemount

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// root is the folder of all cache mounts below the builder's state.
const root = "mounts"

// Options say which directory, and what it is when it is new.
type Options struct {
	ID string
	// Sharing is shared, locked or private.
	Sharing  string
	Mode     uint32
	UID, GID uint32
	// Seed fills a new directory.
	Seed func(dir string) error
}

// Dir is a cache mount in use.
type Dir struct {
	// Files is the directory to mount.
	Files string
	lock  *os.File
}

// Open returns the directory, waiting for its lock, and makes it if it is new.
// Close it.
func Open(ctx context.Context, state string, opt Options) (*Dir, error) {
	sum := sha256.Sum256([]byte(opt.ID))
	dir, lock, err := take(ctx, filepath.Join(state, root, hex.EncodeToString(sum[:16])), opt.Sharing)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(dir, "files")
	if _, err := os.Lstat(files); errors.Is(err, os.ErrNotExist) {
		if err := fill(dir, files, opt); err != nil {
			lock.Close()
			return nil, err
		}
	}
	return &Dir{Files: files, lock: lock}, nil
}

// Close gives the directory back.
func (d *Dir) Close() error { return d.lock.Close() }

// take locks a directory: shared is shared, locked waits for its turn, private
// takes the first directory of its own that is free.
func take(ctx context.Context, base, sharing string) (dir string, lock *os.File, err error) {
	for n := 0; ; n++ {
		dir = base
		if n > 0 {
			dir = base + "." + strconv.Itoa(n)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
		}
		how := unix.LOCK_EX
		if sharing == "shared" {
			how = unix.LOCK_SH
		}
		if sharing == "private" {
			err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
			if errors.Is(err, unix.EWOULDBLOCK) {
				f.Close()
				continue
			}
		} else {
			err = waitLock(ctx, f, how)
		}
		if err != nil {
			f.Close()
			return "", nil, err
		}
		return dir, f, nil
	}
}

// waitLock takes a lock, giving up when ctx ends.
func waitLock(ctx context.Context, f *os.File, how int) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// fill makes the directory of files, with what it begins with.
func fill(dir, files string, opt Options) error {
	temp, err := os.MkdirTemp(dir, "new-*")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := opt.Seed(temp); err != nil {
		return err
	}
	err = errors.Join(os.Chown(temp, int(opt.UID), int(opt.GID)), os.Chmod(temp, os.FileMode(opt.Mode&0o777)|sticky(opt.Mode)))
	if err == nil {
		// Another build that shares the mount may have been first, and may be
		// using it: nothing replaces a directory that is there.
		err = unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, files, unix.RENAME_NOREPLACE)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	return nil
}

func sticky(mode uint32) os.FileMode {
	if mode&0o1000 != 0 {
		return os.ModeSticky
	}
	return 0
}

// Prune empties the cache mounts that no build uses.
func Prune(state string) error {
	locks, err := filepath.Glob(filepath.Join(state, root, "*", "lock"))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "build: cache mounts: %w", err)
	}
	var errs []error
	for _, name := range locks {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(name), "files")))
		}
		f.Close()
	}
	return errors.Join(errs...)
}
