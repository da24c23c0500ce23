package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network"
	"cove/runner/life"
	"cove/runner/life/spawn"
	"cove/runner/record"
	"cove/runner/task"
)

// firstFD is where the monitor finds the socket of whoever starts it.
const firstFD = 3

// Main is the command line of a monitor: --run DIR CONTAINER-DIR [--again].
func Main(ctx context.Context, args []string) error {
	again := len(args) == 4 && args[3] == spawn.Again
	if !again && len(args) != 3 || args[0] != "--run" || !filepath.IsAbs(args[1]) || !filepath.IsAbs(args[2]) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"usage: cove-runtime monitor --run DIR CONTAINER-DIR; it is started by cove run, not by hand")
	}
	dir := record.Dir(filepath.Clean(args[2]))
	if again {
		return startAgain(ctx, args[1], dir)
	}
	defer task.TuneGC()()
	lock, err := Run(ctx, Options{Dir: dir, Run: args[1], First: os.NewFile(firstFD, "first client")})
	if lock == nil {
		return err
	}
	return errors.Join(err, become(lock, args))
}

// become replaces this process, which has nothing left of the life that ended, by
// one that waits to begin the next. It keeps the lock, and with it its number.
func become(lock *os.File, args []string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if err := unix.Dup3(int(lock.Fd()), firstFD, 0); err != nil {
		return fmt.Errorf("monitor: keeping the restart lock: %w", err)
	}
	return unix.Exec(exe, append([]string{os.Args[0], "monitor"}, append(args, spawn.Again)...), os.Environ())
}

// startAgain waits as long as the policy says, and starts the container, unless a
// person did, or stopped it, meanwhile.
func startAgain(ctx context.Context, run string, dir record.Dir) error {
	unix.CloseOnExec(firstFD)
	st, err := dir.State()
	if err != nil {
		return err
	}
	cfg, err := dir.Config()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	time.Sleep(time.Until(st.FinishedAt.Add(st.Backoff)))
	o := &life.Options{Program: spawn.Program{Path: exe, Run: run}, Network: network.Open(dir.Root())}
	return life.Of(o, dir, cfg, cfg.Name).StartAgain(ctx)
}
