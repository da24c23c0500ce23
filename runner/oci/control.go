package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/runner/oci/state"
	"cove/runner/pstable"
	"cove/runner/signals"
	"cove/runner/task"
)

// state is the command.
func (a *app) state(ctx context.Context, args []string) (int, error) {
	rest, err := a.parse(flags("state"), args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	return 0, a.json(c.Describe())
}

func (a *app) json(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// kill is the command.
func (a *app) kill(ctx context.Context, args []string) (int, error) {
	set := flags("kill")
	all := set.Bool("all", false, "signal every process of the container")
	alias(set, "all", "a")
	rest, err := a.parse(set, args, 1, 2)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	sig := unix.SIGTERM
	if len(rest) == 2 && rest[1] == "0" {
		sig = 0 // none: is there a process to send it to?
	} else if len(rest) == 2 {
		if sig, err = signals.Parse(rest[1]); err != nil {
			return 1, err
		}
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	// Without a pid namespace of its own a container outlives its first process.
	if *all || sig == unix.SIGKILL && !task.Has(c.Spec, specs.PIDNamespace) {
		if err = c.SignalAll(g, sig); *all && errors.Is(err, errdefs.ErrConflict) {
			err = nil // none of them is left
		}
	} else {
		err = c.Signal(sig)
	}
	if err == nil && sig == unix.SIGKILL && c.Frozen() {
		err = g.Thaw(ctx) // a frozen process does not take SIGKILL
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// delete is the command.
func (a *app) delete(ctx context.Context, args []string) (int, error) {
	set := flags("delete")
	force := set.Bool("force", false, "kill a container that runs, and remove what a create that was killed has left")
	alias(set, "force", "f")
	rest, err := a.parse(set, args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if errors.Is(err, errdefs.ErrNotFound) && *force {
		return 0, a.store().Discard(rest[0])
	}
	if err != nil {
		return 1, err
	}
	if st := c.Status(); st != state.Stopped {
		if !*force && st != state.Created {
			return 1, errdefs.Errorf(errdefs.ErrConflict, "container %q is %s; stop it first, or give --force", c.ID,
				st)
		}
		if err := c.KillWait(ctx); err != nil {
			return 1, err
		}
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	return 0, a.destroy(ctx, c, g)
}

// pause and resume are the commands.
func (a *app) pause(ctx context.Context, args []string) (int, error) {
	return a.freeze(ctx, "pause", state.Running, args)
}

func (a *app) resume(ctx context.Context, args []string) (int, error) {
	return a.freeze(ctx, "resume", state.Paused, args)
}

func (a *app) freeze(ctx context.Context, name string, from specs.ContainerState, args []string) (int, error) {
	rest, err := a.parse(flags(name), args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	if st := c.Status(); st != from && (name != "pause" || st != state.Created) {
		return 1, errdefs.Errorf(errdefs.ErrConflict, "container %q is %s, not %s", c.ID, st, from)
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	if name == "pause" {
		return 0, g.Freeze(ctx)
	}
	return 0, g.Thaw(ctx)
}

// list is the command.
func (a *app) list(ctx context.Context, args []string) (int, error) {
	set := flags("list")
	format := set.String("format", "table", "`FORMAT`: table or json")
	alias(set, "format", "f")
	quiet := set.Bool("quiet", false, "print IDs only")
	alias(set, "quiet", "q")
	if _, err := a.parse(set, args, 0, 0); err != nil {
		return 1, err
	}
	found, err := a.store().All()
	if _, missing := os.Stat(a.root); err == nil && a.root != defaultRoot() {
		err = missing // who names a directory means one that is there
	}
	if err != nil {
		return 1, err
	}
	all := []state.Description{}
	for _, c := range found {
		all = append(all, c.Describe())
	}
	switch {
	case *quiet:
		for _, d := range all {
			fmt.Fprintln(a.out, d.ID)
		}
		return 0, nil
	case *format == "json":
		return 0, json.NewEncoder(a.out).Encode(all)
	}
	w := tabwriter.NewWriter(a.out, 12, 1, 3, ' ', 0)
	fmt.Fprintln(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER")
	for _, d := range all {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\troot\n", d.ID, d.Pid, d.Status, d.Bundle,
			d.Created.Format(time.RFC3339Nano))
	}
	return 0, w.Flush()
}

// ps is the command.
func (a *app) ps(ctx context.Context, args []string) (int, error) {
	set := flags("ps")
	format := set.String("format", "table", "`FORMAT`: table or json")
	alias(set, "format", "f")
	rest, err := a.parse(set, args, 1, -1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	pids, err := g.Procs()
	if err != nil {
		return 1, err
	}
	slices.Sort(pids)
	pids = slices.Compact(pids)
	if *format == "json" {
		return 0, json.NewEncoder(a.out).Encode(pids)
	}
	heading, lines, err := pstable.Read(ctx, pids, rest[1:])
	if err != nil {
		return 1, err
	}
	fmt.Fprintln(a.out, heading)
	for _, line := range lines {
		fmt.Fprintln(a.out, line)
	}
	return 0, nil
}
