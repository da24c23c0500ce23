package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"cove/bench/fetch"
	"cove/bench/roles"
)

// Where a lab keeps things: what outlives it, what must be on a real disk, and
// the rest, at a path that is short enough for the sockets below it. What is
// mounted there nobody outside sees.
const (
	cacheDir = "bench/state"
	diskDir  = cacheDir + "/run"
	workDir  = "/mnt"
)

// Enter fetches what is missing and runs this program again in namespaces of
// its own. When that has ended nothing of it runs or is mounted any more, so
// removing its directory reaches nothing else.
func Enter(ctx context.Context) error {
	cache, err := filepath.Abs(cacheDir)
	if err != nil {
		return err
	}
	if err := fetch.All(ctx, cache); err != nil {
		return err
	}
	lock, err := os.Open(cache)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another run uses %s: %w", cacheDir, err)
	}
	if err := os.RemoveAll(diskDir); err != nil { // of a run that was killed
		return err
	}
	if err := os.MkdirAll(diskDir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(diskDir)
	return roles.Enter(ctx)
}
