package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func openTwice(t *testing.T) (a, b *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lock")
	var files [2]*os.File
	for i := range files {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files[i] = f
	}
	return files[0], files[1]
}

func TestExclusive(t *testing.T) {
	t.Parallel()
	a, b := openTwice(t)
	if err := Try(a, Exclusive); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Kind{Shared, Exclusive} {
		if err := Try(b, kind); !errors.Is(err, ErrLocked) {
			t.Errorf("kind %d beside an exclusive lock: %v", kind, err)
		}
	}
	if !Held(b) || Held(a) {
		t.Errorf("Held: by another %v, by itself %v", Held(b), Held(a))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := Lock(ctx, b, Exclusive); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting in vain: %v", err)
	}
	if err := Release(a); err != nil {
		t.Fatal(err)
	}
	if Held(b) {
		t.Error("held after the release")
	}
	if err := Lock(t.Context(), b, Exclusive); err != nil {
		t.Error(err)
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	a, b := openTwice(t)
	if err := errors.Join(Try(a, Shared), Try(b, Shared)); err != nil {
		t.Fatal(err)
	}
	if Held(b) {
		t.Error("a shared lock counts as held")
	}
	if err := Try(b, Exclusive); !errors.Is(err, ErrLocked) {
		t.Errorf("exclusive beside shared: %v", err)
	}
}

// TestReleaseReachesCopies is about a fork: the child's copy of the descriptor
// must not keep the lock.
func TestReleaseReachesCopies(t *testing.T) {
	t.Parallel()
	a, b := openTwice(t)
	if err := Try(a, Exclusive); err != nil {
		t.Fatal(err)
	}
	conn, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var dup *os.File
	if err := conn.Control(func(fd uintptr) { dup = copyOf(t, fd) }); err != nil {
		t.Fatal(err)
	}
	defer dup.Close()
	if err := Release(a); err != nil {
		t.Fatal(err)
	}
	if err := Try(b, Exclusive); err != nil {
		t.Errorf("after Release, while a copy is open: %v", err)
	}
}

// TestOpenDir gives up with its context while another has the directory, and has it afterwards.
func TestOpenDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held, err := OpenDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := OpenDir(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another has it: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { held.Close() })
	again, err := OpenDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
