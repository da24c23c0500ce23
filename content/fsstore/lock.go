package fsstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Locks are those of open file descriptions (fcntl F_OFD_SETLK): they go with
// the last descriptor, so a kill releases them; they hold between goroutines as
// between processes; and, unlike flock, one can ask for them without taking
// them, so that looking at a write never disturbs it.
const (
	shared    = unix.F_RDLCK
	exclusive = unix.F_WRLCK

	gcLock = "gc.lock"
)

var errLocked = errors.New("locked by another")

// tryLock locks f whole, or fails with errLocked.
func tryLock(f *os.File, how int16) error {
	err := control(f, unix.F_OFD_SETLK, &unix.Flock_t{Type: how})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return errLocked
	}
	return err
}

// locked reports whether another open file has f locked exclusively. When in
// doubt it has.
func locked(f *os.File) bool {
	l := unix.Flock_t{Type: shared}
	return control(f, unix.F_OFD_GETLK, &l) != nil || l.Type != unix.F_UNLCK
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

// lock takes gc.lock, shared or exclusive, and returns the file whose closing
// releases it. A blocked lock call cannot be interrupted, so it asks again at
// growing intervals instead.
func (s *Store) lock(ctx context.Context, how int16) (*os.File, error) {
	f, err := s.root.OpenFile(gcLock, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, diskError("gc lock", err)
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := tryLock(f, how)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, errLocked) {
			err = sleep(ctx, wait)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("waiting for the gc lock: %w", err), f.Close())
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
