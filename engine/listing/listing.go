// Package listing is containers as ps shows and filters them.
package listing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/internal/limit"
	"cove/network"
	"cove/network/definition"
	"cove/runner"
	"cove/runner/record"
)

// Container is a container with its state, as ps shows it. In a list its Config is
// record.Config.Brief.
type Container struct {
	record.Config
	State record.State
	// Command is what runs, in one line.
	Command string
	// Exposed are the ports, as "6379/tcp", that its image says it listens on,
	// while it runs on the bridge.
	Exposed []string
	// Condition is what its health checks have told; "" while it is not checked.
	Condition string
	// Broken is why not all of it could be read or put right. What it is then is as far as
	// that is known; of a state that nobody knows the status is Dead.
	Broken error
}

// Dead is docker's status of what can only be removed.
const Dead record.Status = "dead"

// Of reads the state of a container; one removed meanwhile is
// errdefs.ErrNotFound.
func Of(ctx context.Context, c *runner.Container) (Container, error) {
	state, err := c.State(ctx)
	if err != nil {
		return Container{}, fmt.Errorf("container %s: %w", c.Config().Name, err)
	}
	asked, err := c.Asked()
	if err != nil {
		return Container{}, fmt.Errorf("container %s: %w", c.Config().Name, err)
	}
	look := runner.Look{State: state, Asked: asked}
	if c.Config().Health != nil && state.Alive() {
		if told, err := record.Dir(c.Dir()).Health(); err == nil {
			look.Health = told.Status
		}
	}
	return of(c.Config(), look), nil
}

// of shows a container by what was seen of it.
func of(cfg record.Config, look runner.Look) Container {
	s := Container{Config: cfg, State: look.State}
	s.Network = look.Asked
	s.Name = s.Network.Name
	if s.Spec != nil && s.Spec.Process != nil {
		s.Command = strings.Join(s.Spec.Process.Args, " ")
	}
	if s.Runs() && s.bridged() && s.Asked != nil {
		s.Exposed = slices.Sorted(maps.Keys(s.Asked.Image.ExposedPorts))
	}
	if s.Health != nil && s.State.Alive() {
		s.Condition = cmp.Or(look.Health, record.Starting)
	}
	return s
}

// List returns the containers that a filter chooses, newest first. A condition that
// does not exist is errdefs.ErrInvalid, a container of before or since that does not
// errdefs.ErrNotFound.
func List(ctx context.Context, r *runner.Runner, f Filter) ([]Container, error) {
	matches, err := f.compile(func(ref string) (time.Time, error) {
		c, err := r.Get(ctx, ref)
		if err != nil {
			return time.Time{}, err
		}
		return c.Config().Created, nil
	})
	if err != nil {
		return nil, err
	}
	all, err := r.Briefs(ctx)
	if err != nil {
		return nil, err
	}
	var out []Container
	for some := range slices.Chunk(all, blockSize) {
		shown, err := ofAll(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, s := range shown {
			if f.Last > 0 && len(out) == f.Last {
				return out, nil
			}
			if matches(s) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// blockSize is how many states are read before it is looked whether more are wanted.
const blockSize = 64

// ofAll is Of of several, without those that were removed meanwhile. One that is broken keeps
// nobody from seeing the others.
func ofAll(ctx context.Context, all []runner.Brief) ([]Container, error) {
	read, errs := make([]Container, len(all)), make([]error, len(all))
	limit.ToCores(len(all), func(i int) {
		look, err := all[i].Look(ctx)
		if errs[i] = ctx.Err(); errors.Is(err, errdefs.ErrNotFound) {
			errs[i] = err
		}
		if look.State.Status == "" {
			look.State.Status = Dead
		}
		read[i] = of(all[i].Config, look)
		read[i].Broken = err
	})
	shown := make([]Container, 0, len(all))
	for i, s := range read {
		switch {
		case errors.Is(errs[i], errdefs.ErrNotFound):
		case errs[i] != nil:
			return nil, errs[i]
		default:
			shown = append(shown, s)
		}
	}
	return shown, nil
}

// Runs reports whether it runs, paused or not, or is about to be started again.
func (c Container) Runs() bool { return c.State.Alive() || c.State.Status == record.Restarting }

// Status is its state in docker's words, as "Up 2 hours" or "Exited (0) 5 minutes
// ago".
func (c Container) Status(now time.Time) string {
	s := c.State
	switch s.Status {
	case record.Running:
		return "Up " + units.HumanDuration(now.Sub(s.StartedAt)) + c.condition()
	case record.Paused:
		return "Up " + units.HumanDuration(now.Sub(s.StartedAt)) + " (Paused)"
	case record.Restarting:
		return fmt.Sprintf("Restarting (%d) %s", s.ExitCode, Ago(now, s.FinishedAt))
	case record.Exited:
		return fmt.Sprintf("Exited (%d) %s", s.ExitCode, Ago(now, s.FinishedAt))
	case Dead:
		return "Dead"
	default:
		return "Created"
	}
}

// condition is what Status says of its checks.
func (c Container) condition() string {
	switch c.Condition {
	case "":
		return ""
	case record.Starting:
		return " (health: starting)"
	}
	return " (" + c.Condition + ")"
}

// Ago is how long before now then was, as "2 hours ago".
func Ago(now, then time.Time) string { return units.HumanDuration(now.Sub(then)) + " ago" }

// VolumeNames are the names of its volumes.
func (c Container) VolumeNames() []string { return record.Volumes(c.Mounts) }

// NetworkNames are the networks that it asks for: bridge, none, host, container:ID,
// or those that somebody made.
func (c Container) NetworkNames() []string {
	if len(c.Network.Attachments) == 0 {
		return []string{string(cmp.Or(c.Network.Mode, network.Bridge))}
	}
	var names []string
	for _, at := range c.Network.Attachments {
		names = append(names, at.Name)
	}
	return names
}

// onNetwork reports whether it asks for a network, by its name or ID.
func (c Container) onNetwork(ref string) bool {
	names := c.NetworkNames()
	return slices.Contains(names, ref) ||
		// What docker has beforehand has an ID too, which is recorded nowhere.
		len(ref) > 0 && strings.HasPrefix(definition.PredefinedID(names[0]), ref) ||
		slices.ContainsFunc(c.Network.Attachments, func(at network.Attachment) bool {
			return ref != "" && at.Network != "" && strings.HasPrefix(at.Network, ref)
		})
}

// bridged reports whether it has a network of its own with a way in.
func (c Container) bridged() bool {
	return len(c.Network.Attachments) > 0 || c.NetworkNames()[0] == string(network.Bridge)
}

// MountNames are the names of its volumes, and the paths of the host that it has.
func (c Container) MountNames() []string {
	var names []string
	for _, m := range c.Mounts {
		names = append(names, cmp.Or(m.Name, m.Source))
	}
	return names
}

// HasLabel reports whether labels hold want: KEY, or KEY=VALUE.
func HasLabel(labels map[string]string, want string) bool {
	key, value, hasValue := strings.Cut(want, "=")
	got, ok := labels[key]
	return ok && (!hasValue || got == value)
}
