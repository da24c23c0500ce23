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
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/runner/oci/bundle"
)

// app is one invocation.
type app struct {
	root           string
	logFile        string
	logFormat      string
	in, out, errs  *os.File
	debug, systemd bool
}

type command struct {
	name, args, help string
	run              func(*app, context.Context, []string) (int, error)
}

func commands() []command {
	return []command{
		{"create", "[options] ID", "create a container from a bundle; its process waits for start", (*app).create},
		{"start", "ID", "run the process of a created container", (*app).start},
		{"run", "[options] ID", "create and start; without -d wait for the end", (*app).run},
		{"state", "ID", "print the state as JSON", (*app).state},
		{"kill", "[--all] ID [SIGNAL]", "send a signal (default TERM)", (*app).kill},
		{"delete", "[-f] ID", "remove a stopped container; -f kills it first", (*app).delete},
		{"exec", "[options] ID COMMAND…", "run another process in a container", (*app).exec},
		{"list", "[-q] [-f json|table]", "list containers", (*app).list},
		{"ps", "[-f json|table] ID [PS-OPTIONS]", "list a container's processes", (*app).ps},
		{"pause", "ID", "freeze all processes", (*app).pause},
		{"resume", "ID", "let them go on", (*app).resume},
		{"update", "-r FILE|--LIMIT VALUE… ID", "change limits", (*app).update},
		{"features", "", "print what this runtime supports as JSON", (*app).features},
	}
}

// Main runs one command and returns its exit code, in runc's way: 1 for a
// failure of the runtime, 255 for one of exec, else the process's own.
func Main(ctx context.Context, args []string, in, out, errs *os.File) int {
	a := &app{in: in, out: out, errs: errs}
	rest, err := a.globals(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && len(rest) == 0 {
		a.usage(out)
		return 0
	}
	if err != nil {
		return a.fail(1, err)
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == rest[0] })
	if i < 0 {
		return a.fail(1, errdefs.Errorf(errdefs.ErrInvalid, "unknown command %q; see cove-runtime --help", rest[0]))
	}
	a.debugf("cove-runtime %s: %q", buildinfo.Version(), args)
	code, err := all[i].run(a, ctx, rest[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(out, "usage: cove-runtime %s %s\n%s\n", all[i].name, all[i].args, all[i].help)
		return 0
	}
	if err != nil {
		if code == 0 {
			code = 1
		}
		return a.fail(code, err)
	}
	a.debugf("%s: exit code %d", rest[0], code)
	return code
}

func (a *app) globals(args []string) ([]string, error) {
	f := flags("cove-runtime")
	f.StringVar(&a.root, "root", defaultRoot(), "directory of containers' states")
	f.StringVar(&a.logFile, "log", "", "file for errors")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	f.BoolVar(&a.debug, "debug", false, "log what is done, too: to --log, else to stderr")
	f.BoolVar(&a.systemd, "systemd-cgroup", false, "not supported")
	rootless := f.String("rootless", "auto", "auto or false")
	version := f.Bool("version", false, "print the version")
	f.BoolVar(version, "v", false, "print the version")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			a.usage(a.out)
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
	if a.logFormat != "text" && a.logFormat != "json" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--log-format %q: text or json", a.logFormat)
	}
	if a.systemd {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"--systemd-cgroup: cove-runtime makes control groups itself; configure the engine for cgroupfs (podman: --cgroup-manager=cgroupfs)")
	}
	return f.Args(), nil
}

func defaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && os.Geteuid() != 0 {
		return dir + "/cove-runtime"
	}
	return "/run/cove-runtime"
}

func (a *app) usage(w io.Writer) {
	fmt.Fprint(w, "cove-runtime runs containers from OCI bundles.\n\nusage: cove-runtime [--root DIR] [--log FILE] [--log-format text|json] COMMAND …\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %-28s %s\n", c.name, c.args, c.help)
	}
}

// flags is a flag set that leaves reporting to its caller.
func flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse reads a command's flags and checks how many arguments follow.
func parse(f *flag.FlagSet, args []string, least, most int) ([]string, error) {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %v", f.Name(), err)
	}
	if n := f.NArg(); n < least || (most >= 0 && n > most) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %d arguments given; see cove-runtime %s --help", f.Name(),
			n, f.Name())
	}
	return f.Args(), nil
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// fail reports an error where the caller looks for it: on stderr, and in the
// file given with --log.
func (a *app) fail(code int, err error) int {
	fmt.Fprintf(a.errs, "cove-runtime: %v\n", err)
	if a.logFile != "" {
		a.log("error", err.Error())
	}
	return code
}

// debugf logs what is done, for --debug.
func (a *app) debugf(format string, args ...any) {
	if a.debug {
		a.log("debug", fmt.Sprintf(format, args...))
	}
}

// warn logs what was left out, whether or not more is logged.
func (a *app) warn(all []string) {
	for _, text := range all {
		a.log("warning", text)
	}
}

// log writes a line in runc's form to the file given with --log, else to stderr.
// A log that cannot be written changes nothing else.
func (a *app) log(level, msg string) {
	to := a.errs
	if a.logFile != "" {
		f, err := os.OpenFile(a.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return
		}
		defer f.Close()
		to = f
	}
	now := time.Now().UTC().Format(time.RFC3339)
	if a.logFormat != "json" {
		fmt.Fprintf(to, "time=%q level=%s msg=%q\n", now, level, msg)
		return
	}
	line, err := json.Marshal(map[string]string{"level": level, "msg": msg, "time": now})
	if err == nil {
		fmt.Fprintf(to, "%s\n", line)
	}
}
