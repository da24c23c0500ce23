package buildcmd

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/rawmode"
	"cove/internal/cli/terminal"
)

// onError reads --on-error.
func (f *buildFlags) onError(a *app.App) (o builds.OnError, err error) {
	switch f.onErr {
	case "":
	case "save":
		o.Saved = func(id digest.Digest) { f.kept = id }
	case "shell":
		_, in := app.Terminal(a.In)
		_, out := app.Terminal(a.Err)
		if !in || !out {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "--on-error shell: standard input and standard error "+
				"are no terminal: use --on-error save, and run the image that it names")
		}
		if f.file == "-" {
			return o, errdefs.Errorf(errdefs.ErrInvalid,
				"--on-error shell: standard input is the Dockerfile and cannot be the shell's too: name a file with -f")
		}
		o.Shell = func(v *builds.Vertex, open func(builds.Terminal) error) (err error) {
			if f.hold == nil {
				return atTerminal(a, v, open)
			}
			f.hold(func() { err = atTerminal(a, v, open) })
			return err
		}
	default:
		return o, errdefs.Errorf(errdefs.ErrInvalid, "--on-error %s: want shell or save", f.onErr)
	}
	return o, nil
}

// atTerminal opens something at this program's terminal, which is raw meanwhile.
func atTerminal(a *app.App, v *builds.Vertex, open func(builds.Terminal) error) error {
	fmt.Fprintf(a.Err, "\nFailed: %s\nA shell where it ran, with its environment and mounts; "+
		"exit ends the build, and nothing is kept.\n", terminal.Clean(v.Location.Instruction))
	in, _ := app.Terminal(a.In)
	out, _ := app.Terminal(a.Err)
	sizes, restore, err := rawmode.Begin(in, out)
	if err != nil {
		return fmt.Errorf("--on-error shell: %w", err)
	}
	defer restore()
	return open(builds.Terminal{In: a.In, Out: a.Err, Sizes: sizes})
}

// tellKept says where the files of the failed step are.
func (f *buildFlags) tellKept(a *app.App) {
	if f.kept == "" {
		return
	}
	id := output.ID(f.kept, false)
	if f.quiet {
		fmt.Fprintln(a.Err, f.kept)
		return
	}
	fmt.Fprintf(a.Err, "The files of the failed step are kept as image %s, without what was mounted.\n"+
		"Look at them with: run -it --rm %s    Remove them with: rmi %s\n", id, id, id)
}
