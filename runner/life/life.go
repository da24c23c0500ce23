// Package life is a life of a container, from its start to its exit, as everybody
// sees it but its monitor: whoever starts it, attaches, runs one more process in it,
// freezes it, ends it or waits for that; and what is done for a monitor that was
// killed.
//
// A container may live many times. Which containers there are, what they are called
// and when one lives again is the business of package runner.
package life

import (
	"context"

	"cove/errdefs"
	"cove/network"
	"cove/runner/life/spawn"
	"cove/runner/record"
	"cove/runner/told"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// Options say where the monitors of containers are.
type Options struct {
	// Program is what their monitors run.
	Program spawn.Program
	// Network is the one that the containers are connected to.
	Network *network.Network
}

// Container is a recorded container. Its methods read the disk afresh.
type Container struct {
	o    *Options
	dir  record.Dir
	cfg  record.Config
	name string
	// standby is the monitor that the next start uses, under the control lock.
	standby *spawn.Monitor
}

// Of is the container that is recorded in dir, as cfg and with the name that it has
// now.
func Of(o *Options, dir record.Dir, cfg record.Config, name string) *Container {
	return &Container{o: o, dir: dir, cfg: cfg, name: name}
}

// Config is what the container was asked to be.
func (c *Container) Config() record.Config { return c.cfg }

// ID is the container's full ID.
func (c *Container) ID() string { return c.cfg.ID }

// Name is the container's name when it was found.
func (c *Container) Name() string { return c.name }

// Renamed tells that the container has another name now.
func (c *Container) Renamed(name string) { c.name = name }

// Dir is containers/<id>: config.json, state.json, hosts, hostname,
// resolv.conf are in it.
func (c *Container) Dir() string { return string(c.dir) }

// LogPath is the newest log file, in docker's json-file format.
func (c *Container) LogPath() string { return c.dir.Log() }

// Tell tells the log of events what happened to the container.
func (c *Container) Tell(action string, more ...string) {
	told.Named(c.dir, c.cfg, c.name).Tell(action, more...)
}

// String is what errors call the container.
func (c *Container) String() string { return c.name }

// group is the control group that a state names.
func (c *Container) group(st record.State) (*cgroup.Group, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	return cgroup.Load(features.Cgroup, st.Cgroup).Led(st.Pid), nil
}

// running is State, and errdefs.ErrConflict unless the container runs.
func (c *Container) running(ctx context.Context) (record.State, error) {
	st, err := c.State(ctx)
	if err != nil {
		return st, err
	}
	if !st.Alive() {
		return st, c.notAlive(st)
	}
	return st, nil
}

// notAlive says of a container that does not run why.
func (c *Container) notAlive(st record.State) error {
	if st.Status == record.Restarting {
		return errdefs.Errorf(errdefs.ErrConflict,
			"container %s is restarting, wait until the container is running", c)
	}
	return c.notRunning()
}

// thawedState is State, once nothing freezes the processes for a moment any more, as
// a commit does.
func (c *Container) thawedState(ctx context.Context) (st record.State, err error) {
	if st, err = c.State(ctx); err != nil || st.Status != record.Paused {
		return st, err
	}
	err = c.Hold(ctx, func(now record.State) error { st = now; return nil })
	return st, err
}

func (c *Container) notRunning() error {
	return errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", c)
}
