// Package oci is an OCI runtime in runc's grammar: bundle in, container out, so
// that podman, containerd and people's scripts can use cove instead of runc.
//
// Its state is a directory per container below --root. "create" leaves the
// container's process waiting at a named pipe there and returns; whoever called
// it (conmon, a shim) becomes the parent. "run" in the foreground is the parent
// itself, without a monitor.
//
// It is an edge, as internal/cli is: it reads flags, and its errors name them. What
// it keeps of containers (state), how a bundle is read (bundle) and how a caller's
// terminal and signals get to a process (console) know no flag.
package oci

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/runner/oci/bundle"
	"cove/runner/oci/runclog"
)

// app is one invocation.
type app struct {
	root          string
	log           runclog.Log
	in, out, errs *os.File
	systemd       bool
}

// Main runs one command and returns its exit code, in runc's way: 1 for a
// failure of the runtime, 255 for one of exec, else the process's own.
func Main(ctx context.Context, args []string, in, out, errs *os.File) int {
	a := &app{in: in, out: out, errs: errs, log: runclog.Log{Stderr: errs}}
	rest, err := a.globals(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && len(rest) == 0 {
		rest = []string{"help"}
	}
	if err != nil {
		return a.fail(1, err)
	}
	c, err := find(rest[0])
	if err != nil {
		return a.fail(1, err)
	}
	a.log.Debugf("cove-runtime %s: %q", buildinfo.Version(), args)
	code, err := c.run(a, ctx, rest[1:])
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		if code == 0 {
			code = 1
		}
		return a.fail(code, err)
	}
	a.log.Debugf("%s: exit code %d", rest[0], code)
	return code
}

// fail reports an error and returns the exit code.
func (a *app) fail(code int, err error) int {
	a.log.Error(err)
	return code
}

func (a *app) globals(args []string) ([]string, error) {
	f := flags("cove-runtime")
	f.StringVar(&a.root, "root", defaultRoot(), "`DIR` for the state of containers")
	f.StringVar(&a.log.File, "log", "", "`FILE` for errors, beside stderr")
	f.StringVar(&a.log.Format, "log-format", "text", "`FORMAT` of the log: text or json")
	f.BoolVar(&a.log.Debug, "debug", false, "log what is done, too: to the file of --log, else to stderr")
	f.BoolVar(&a.systemd, "systemd-cgroup", false, "have systemd make a scope for each container")
	rootless := f.String("rootless", "auto", "`auto|false`: what is allowed is found out in any case")
	version := f.Bool("version", false, "print the version")
	alias(f, "version", "v")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			a.usage(f)
		} else {
			err = errdefs.Errorf(errdefs.ErrInvalid, "%w; see cove-runtime --help", err)
		}
		return nil, err
	}
	if *version {
		fmt.Fprintf(a.out, "cove-runtime version %s\nspec: %s\n", buildinfo.Version(), bundle.SpecVersion)
		return nil, flag.ErrHelp
	}
	if *rootless != "auto" && *rootless != "false" {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"--rootless=%s: cove-runtime finds out by itself what it may do", *rootless)
	}
	if a.log.Format != "text" && a.log.Format != "json" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--log-format %q: text or json", a.log.Format)
	}
	return f.Args(), nil
}

func defaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && os.Geteuid() != 0 {
		return dir + "/cove-runtime"
	}
	return "/run/cove-runtime"
}
