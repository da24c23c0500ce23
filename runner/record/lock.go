package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
	"cove/internal/process"
)

// LockName is one of a container's locks.
type LockName string

const (
	// MonitorLock is held by the container's monitor for its life.
	MonitorLock LockName = "monitor.lock"
	// ControlLock is held by whoever starts, pauses, renames, copies from or
	// removes the container.
	ControlLock LockName = "control.lock"
	// RestartLock is held by the process that will start the container again.
	RestartLock LockName = "restart.lock"
	// ReconcileLock is held by whoever does what a killed monitor could not.
	ReconcileLock LockName = "reconcile.lock"
)

// pollInterval is how often a waiting process checks the one that it waits for.
const pollInterval = time.Second

// Lock waits for a lock and holds it until [Unlock]. It waits for as long as its
// holder works, up to the timeout; a holder that is stopped, or takes longer, is
// errdefs.ErrUnavailable and named. The timeout begins again with each new holder.
func (d Dir) Lock(ctx context.Context, name LockName, timeout time.Duration) (*os.File, error) {
	var holder string
	var since time.Time
	for {
		f, err := d.lock(ctx, name)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return f, err
		}
		now := d.Holder(name)
		if now != holder || since.IsZero() {
			holder, since = now, time.Now()
		}
		pid, ok := process.Find(holder)
		switch {
		case ok && process.Stopped(pid):
			return nil, errdefs.Errorf(errdefs.ErrUnavailable,
				"container %.12s is busy with process %d (%s), which is stopped; continue it with kill -CONT %[2]d",
				d.ID(), pid, process.Name(pid))
		case time.Since(since) > timeout:
			return nil, errdefs.Errorf(errdefs.ErrUnavailable,
				"container %.12s has been busy with process %d (%s) for %s; try again when that has ended",
				d.ID(), pid, process.Name(pid), time.Since(since).Round(time.Second))
		}
	}
}

// TryLock is Lock without waiting: ok says that nobody has it.
func (d Dir) TryLock(name LockName) (f *os.File, ok bool) {
	f, err := filelock.TryOpen(d.Path(string(name)), filelock.Exclusive)
	if err != nil {
		return nil, false
	}
	if err := Sign(f, process.Self()); err != nil {
		Unlock(f)
		return nil, false
	}
	return f, true
}

// lock waits for a lock for one pollInterval, which ends in context.DeadlineExceeded.
func (d Dir) lock(ctx context.Context, name LockName) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	f, err := filelock.Open(ctx, d.Path(string(name)), filelock.Exclusive)
	switch {
	case insteadOf[name] != "" && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)):
		return d.lockInstead(ctx, insteadOf[name])
	case errors.Is(err, fs.ErrNotExist):
		return nil, notFound(d)
	case err != nil:
		return nil, fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	// The container may have been removed while this waited, with the lock.
	if _, err := os.Lstat(d.Path(string(name))); err != nil {
		Unlock(f)
		return nil, notFound(d)
	}
	// So that others can say who keeps them waiting, and end a monitor that hangs.
	if err := Sign(f, process.Self()); err != nil {
		Unlock(f)
		return nil, fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	return f, nil
}

// insteadOf are the files that are locked where a full disk has no room for the lock's own,
// so that what fills it can be removed.
var insteadOf = map[LockName]string{ControlLock: configFile, ReconcileLock: BriefFile}

// lockInstead locks a file that is no lock, which nobody signs.
func (d Dir) lockInstead(ctx context.Context, name string) (*os.File, error) {
	f, err := os.OpenFile(d.Path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	if err = filelock.Lock(ctx, f, filelock.Exclusive); err == nil && d.Gone() {
		err = notFound(d)
	}
	if err != nil {
		Unlock(f)
		return nil, err
	}
	return f, nil
}

// Sign writes into a held lock whose it is: this process's, or that of another to
// which it is handed on. "" is nobody's, whom nobody will end for it, and so is one that was
// made when the disk was full: it is held all the same.
func Sign(f *os.File, identity string) error {
	_, err := f.WriteAt([]byte(identity+"\n"), 0)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	return err
}

// Unlock gives a lock back.
func Unlock(f *os.File) { _ = filelock.Release(f) } // closing releases the lock, and does not fail

// Held reports whether another process holds a lock.
func (d Dir) Held(name LockName) bool {
	f, err := os.OpenFile(d.Path(string(name)), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return filelock.Held(f)
}

// Holder is the process.Identity of the last one to take a lock.
func (d Dir) Holder(name LockName) string {
	text, err := os.ReadFile(d.Path(string(name)))
	if err != nil {
		return ""
	}
	holder, _, _ := strings.Cut(string(text), "\n") // what follows is the rest of a longer entry
	return holder
}
