package monitor

import (
	"context"
	"os"
	"path/filepath"

	"cove/errdefs"
	"cove/runner/record"
	"cove/runner/task"
)

// firstFD is where the monitor finds the socket of whoever starts it.
const firstFD = 3

// Main is the command line of a monitor: --run DIR CONTAINER-DIR.
func Main(ctx context.Context, args []string) error {
	if len(args) != 3 || args[0] != "--run" || !filepath.IsAbs(args[1]) || !filepath.IsAbs(args[2]) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"usage: cove-runtime monitor --run DIR CONTAINER-DIR; it is started by cove run, not by hand")
	}
	defer task.TuneGC()()
	return Run(ctx, Options{
		Dir: record.Dir(filepath.Clean(args[2])), Run: args[1], First: os.NewFile(firstFD, "first client"),
	})
}
