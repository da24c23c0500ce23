// Package filelock locks files between processes and between goroutines.
//
// The locks are those of open file descriptions (fcntl F_OFD_SETLK). The kernel
// releases one with the last descriptor of its file, so a kill releases it.
// Unlike flock's, one can ask for it without taking it, so that looking never
// disturbs.
//
// A process that forks while a file is open shares its lock with the child
// until the child's exec closes it. So a lock is given up by Release, which
// unlocks for both, and not by closing the file alone.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is how a file is locked.
type Kind int16

// Shared needs a file opened for reading, Exclusive one opened for writing.
const (
	Shared    Kind = unix.F_RDLCK
	Exclusive Kind = unix.F_WRLCK
)

// ErrLocked means that another holds a lock that excludes this one.
var ErrLocked = errors.New("locked by another")

// Try locks f whole, or fails with ErrLocked.
func Try(f *os.File, kind Kind) error {
	err := control(f, unix.F_OFD_SETLK, &unix.Flock_t{Type: int16(kind)})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	return err
}

// Lock waits for the lock, and gives up when ctx ends. A blocked lock call
// cannot be interrupted, so with a context that can end it asks again at growing
// intervals instead.
func Lock(ctx context.Context, f *os.File, kind Kind) error {
	if ctx.Done() == nil {
		return control(f, unix.F_OFD_SETLKW, &unix.Flock_t{Type: int16(kind)})
	}
	return again(ctx, f, func() error { return Try(f, kind) })
}

// again tries to lock f until another has not.
func again(ctx context.Context, f *os.File, try func() error) error {
	const longest = 25 * time.Millisecond
	for wait := 500 * time.Microsecond; ; wait = min(2*wait, longest) {
		err := try()
		if !errors.Is(err, ErrLocked) {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("waiting for the lock on %s: %w", f.Name(), ctx.Err())
		}
	}
}

// Open makes the lock file if it is missing (mode 0600; its directory must be
// there) and waits for the lock as [Lock] does. [Release] gives it back.
func Open(ctx context.Context, name string, kind Kind) (*os.File, error) {
	return open(name, func(f *os.File) error { return Lock(ctx, f, kind) })
}

// TryOpen is [Open] without waiting: ErrLocked when another excludes it.
func TryOpen(name string, kind Kind) (*os.File, error) {
	return open(name, func(f *os.File) error { return Try(f, kind) })
}

func open(name string, lock func(*os.File) error) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return f, nil
}

// With runs fn while it holds the lock of a file exclusively.
func With(ctx context.Context, name string, fn func() error) error {
	f, err := Open(ctx, name, Exclusive)
	if err != nil {
		return err
	}
	err = fn()
	return errors.Join(err, Release(f))
}

// OpenDir waits, as [Lock] does, for the lock of a directory itself, where no file of its own is
// to be in it; closing it unlocks. It is flock(2), as the lock of a file wants one that is open
// for writing, which a directory cannot be.
func OpenDir(ctx context.Context, name string) (*os.File, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	err = again(ctx, d, func() error {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return ErrLocked
		}
		return err
	})
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return d, nil
}

// Held reports whether another open file has f locked exclusively. When in doubt
// it has.
func Held(f *os.File) bool {
	l := unix.Flock_t{Type: unix.F_RDLCK}
	return control(f, unix.F_OFD_GETLK, &l) != nil || l.Type != unix.F_UNLCK
}

// Release unlocks and closes f.
func Release(f *os.File) error {
	return errors.Join(control(f, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK}), f.Close())
}

func control(f *os.File, cmd int, l *unix.Flock_t) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			lockErr = unix.FcntlFlock(fd, cmd, l)
			if !errors.Is(lockErr, unix.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, lockErr)
}
