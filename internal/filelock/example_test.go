package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cove/internal/filelock"
)

// A lock is held by an open file: by whom has opened it, not by a process.
func Example() {
	dir, err := os.MkdirTemp("", "lock")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "lock")
	err = filelock.With(context.Background(), name, func() error {
		_, err := filelock.TryOpen(name, filelock.Exclusive)
		fmt.Println("another:", errors.Is(err, filelock.ErrLocked))
		return nil
	})
	fmt.Println(err)
	f, err := filelock.TryOpen(name, filelock.Exclusive)
	fmt.Println("afterwards:", err, filelock.Release(f))
	// Output:
	// another: true
	// <nil>
	// afterwards: <nil> <nil>
}
