// Package runner runs containers: one ordinary process each, isolated by a
// compiled list of system calls, under a small monitor that is its parent.
//
// There is no daemon. What a container was asked to be is one immutable file,
// containers/<id>/config.json; what became of it is another, state.json. While
// it runs, its monitor (cove-runtime monitor) holds a lock for its life, so
// whoever reads a state that says "running" beside a lock that is free knows
// that the monitor was killed, and reconciles before it answers.
//
// A life:
//
//	r, _ := runner.Open(runner.Options{Root: "/var/lib/cove"})
//	c, _ := r.Create(ctx, cfg)           // recorded, nothing runs
//	s, _ := c.StartAttached(ctx)         // or c.Start(ctx)
//	status, _ := s.Stream(ctx, streams)  // until it exits, or detaches
//	c.Remove(ctx, false)                 // unless cfg.AutoRemove
package runner

import (
	"context"
	"os"
	"path/filepath"

	"cove/network"
	"cove/network/segment"
	"cove/runner/life"
	"cove/runner/life/spawn"
)

// Options say where a Runner keeps its state and finds its programs.
type Options struct {
	// Root is the local root, default /var/lib/cove: containers/, network/
	// and volumes/ are below it.
	Root string
	// Run holds what may vanish on reboot (sockets). Default /run/cove, or
	// Root/run when Root is not the default.
	Run string
	// RuntimePath is the cove-runtime binary, which is also the monitor.
	// Default: beside the running executable, then $PATH.
	RuntimePath string
	// RemoveSnapshot drops the snapshot of a container that is removed by
	// this process, or found dead; its monitor drops it itself for AutoRemove.
	// May be nil.
	RemoveSnapshot func(ctx context.Context, key string) error
}

// DefaultRoot is where state lives when nothing else is asked for.
const DefaultRoot = segment.DefaultRoot

func (o Options) withDefaults() Options {
	if o.Root == "" {
		o.Root = DefaultRoot
	}
	if o.Run == "" {
		if o.Run = filepath.Join(o.Root, "run"); o.Root == DefaultRoot {
			o.Run = "/run/cove"
		}
	}
	if o.RuntimePath == "" {
		o.RuntimePath = "cove-runtime"
		if exe, err := os.Executable(); err == nil {
			if p := filepath.Join(filepath.Dir(exe), "cove-runtime"); executable(p) {
				o.RuntimePath = p
			}
		}
	}
	return o
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Runner is the set of containers of one root. It is safe for concurrent use,
// by several processes on one root too.
type Runner struct {
	opts Options
	net  *network.Network
	life *life.Options
	seen sights
}

// Open returns the Runner of a root.
func Open(o Options) (*Runner, error) {
	o = o.withDefaults()
	net := network.Open(o.Root)
	return &Runner{
		opts: o, net: net,
		life: &life.Options{Program: spawn.Program{Path: o.RuntimePath, Run: o.Run}, Network: net},
	}, nil
}
