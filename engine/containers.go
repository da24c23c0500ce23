package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/runner"
)

// Container finds a container by name, id, or a prefix of its id. The errors
// are runner.Get's, in docker's words.
func (e *Engine) Container(ctx context.Context, ref string) (*runner.Container, error) {
	r, err := e.runner()
	if err != nil {
		return nil, err
	}
	c, err := r.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ContainerStatus is a container with its state, as ps shows it.
type ContainerStatus struct {
	runner.Config
	State runner.State
	// Command is what runs, in one line.
	Command string
	// Mounts are the names or sources of its volumes.
	Mounts []string
}

// Filter chooses containers; all conditions must hold. The zero value is every
// container.
type Filter struct {
	// Running leaves out what does not run; a Status filter overrides it.
	Running bool
	// Last keeps the newest n; 0 is all.
	Last int
	// Terms are key=value conditions, docker's: id, name, label, status,
	// ancestor, exited, volume, network. Values of one key are alternatives.
	Terms map[string][]string
}

// Containers lists containers, newest first.
func (e *Engine) Containers(ctx context.Context, f Filter) ([]ContainerStatus, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	r, err := e.runner()
	if err != nil {
		return nil, err
	}
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	var out []ContainerStatus
	for _, c := range all {
		s, err := status(ctx, c)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if f.matches(s) {
			out = append(out, s)
		}
		if f.Last > 0 && len(out) == f.Last {
			break
		}
	}
	return out, nil
}

func status(ctx context.Context, c *runner.Container) (ContainerStatus, error) {
	state, err := c.State(ctx)
	if err != nil {
		return ContainerStatus{}, fmt.Errorf("container %s: %w", c.Name(), err)
	}
	s := ContainerStatus{Config: c.Config(), State: state}
	s.Name = c.Name()
	if s.Spec != nil && s.Spec.Process != nil {
		s.Command = strings.Join(s.Spec.Process.Args, " ")
	}
	for _, m := range recordOf(s.Config).Mounts {
		s.Mounts = append(s.Mounts, cmp.Or(m.Name, m.Source))
	}
	return s, nil
}

// recordOf reads the engine's own part of a container's config. A container
// that was made otherwise has the zero record.
func recordOf(cfg runner.Config) record {
	var r record
	if json.Unmarshal(cfg.Extra, &r) != nil {
		return record{}
	}
	return r
}

// conditions say what a term of a Filter means.
var conditions = map[string]func(s ContainerStatus, value string) bool{
	"id":       func(s ContainerStatus, v string) bool { return strings.HasPrefix(s.ID, v) },
	"name":     func(s ContainerStatus, v string) bool { return strings.Contains(s.Name, strings.TrimPrefix(v, "/")) },
	"label":    func(s ContainerStatus, v string) bool { return hasLabel(s.Labels, v) },
	"status":   func(s ContainerStatus, v string) bool { return string(s.State.Status) == v },
	"ancestor": func(s ContainerStatus, v string) bool { return isAncestor(s, v) },
	"exited": func(s ContainerStatus, v string) bool {
		return s.State.Status == runner.Exited && fmt.Sprint(s.State.ExitCode) == v
	},
	"volume": func(s ContainerStatus, v string) bool {
		return slices.ContainsFunc(recordOf(s.Config).Mounts, func(m mountRecord) bool {
			return m.Name == v || m.Source == v || m.Asked.Target == v
		})
	},
	"network": func(s ContainerStatus, v string) bool { return cmp.Or(string(s.Network.Mode), "bridge") == v },
}

// statuses are what a container can be.
var statuses = []string{string(runner.Created), string(runner.Running), string(runner.Paused), string(runner.Exited)}

func (f Filter) check() error {
	for _, v := range f.Terms["status"] {
		if !slices.Contains(statuses, v) {
			return errdefs.Errorf(errdefs.ErrInvalid, "--filter status=%s: there is no such status; there are %s", v, strings.Join(statuses, ", "))
		}
	}
	for key := range f.Terms {
		if conditions[key] == nil {
			known := make([]string, 0, len(conditions))
			for k := range conditions {
				known = append(known, k)
			}
			slices.Sort(known)
			return errdefs.Errorf(errdefs.ErrInvalid, "--filter %s: there is no such filter; there are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

func (f Filter) matches(s ContainerStatus) bool {
	if f.Running && f.Terms["status"] == nil && f.Terms["exited"] == nil && f.Last == 0 &&
		s.State.Status != runner.Running && s.State.Status != runner.Paused {
		return false
	}
	for key, values := range f.Terms {
		if !slices.ContainsFunc(values, func(v string) bool { return conditions[key](s, v) }) {
			return false
		}
	}
	return true
}

func hasLabel(labels map[string]string, want string) bool {
	key, value, hasValue := strings.Cut(want, "=")
	got, ok := labels[key]
	return ok && (!hasValue || got == value)
}

func isAncestor(s ContainerStatus, v string) bool {
	return s.Image == v || s.Image == v+":latest" || strings.HasPrefix(strings.TrimPrefix(s.ImageID, "sha256:"), v) || s.ImageID == v
}

// Remove deletes a container with its anonymous volumes when volumes is set.
// One that runs is errdefs.ErrConflict unless force.
func (e *Engine) Remove(ctx context.Context, ref string, force, volumes bool) error {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return err
	}
	rec := recordOf(c.Config())
	if err := c.Remove(ctx, force); err != nil {
		return err
	}
	if !volumes {
		return nil
	}
	return e.removeVolumes(rec.Mounts)
}
