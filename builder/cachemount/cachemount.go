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

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
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
	dir, lock, err := take(ctx, place(state, opt.ID), opt.Sharing)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(dir, "files")
	if _, err := os.Lstat(files); errors.Is(err, os.ErrNotExist) {
		if err := fill(dir, files, opt); err != nil {
			_ = filelock.Release(lock)
			return nil, err
		}
	}
	return &Dir{Files: files, lock: lock}, nil
}

// Hold is Open for a directory that is there and that no build uses: others are
// errdefs.ErrNotFound and errdefs.ErrUnavailable.
func Hold(state, id string) (*Dir, error) {
	dir := place(state, id)
	if _, err := os.Lstat(filepath.Join(dir, "files")); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "build: cache mount: %w", err)
	}
	lock, err := filelock.TryOpen(filepath.Join(dir, "lock"), filelock.Exclusive)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	return &Dir{Files: filepath.Join(dir, "files"), lock: lock}, nil
}

// place is where the directory of an id is.
func place(state, id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(state, root, hex.EncodeToString(sum[:16]))
}

// Close gives the directory back.
func (d *Dir) Close() error { return filelock.Release(d.lock) }

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
		lock, err := lockDir(ctx, dir, sharing)
		switch {
		case err == nil:
			return dir, lock, nil
		case sharing == "private" && errors.Is(err, filelock.ErrLocked):
			continue
		}
		return "", nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
}

func lockDir(ctx context.Context, dir, sharing string) (*os.File, error) {
	name := filepath.Join(dir, "lock")
	switch sharing {
	case "private":
		return filelock.TryOpen(name, filelock.Exclusive)
	case "shared":
		return filelock.Open(ctx, name, filelock.Shared)
	}
	return filelock.Open(ctx, name, filelock.Exclusive)
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
	err = errors.Join(os.Chown(temp, int(opt.UID), int(opt.GID)),
		os.Chmod(temp, os.FileMode(opt.Mode&0o777)|sticky(opt.Mode)))
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
		lock, err := filelock.TryOpen(name, filelock.Exclusive)
		if err != nil {
			continue // a build uses it
		}
		errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(name), "files")), filelock.Release(lock))
	}
	return errors.Join(errs...)
}
