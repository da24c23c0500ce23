// Package events writes what happens to a container as runc does: a line of JSON with
// what it uses, now and then, and one whenever the kernel killed one of its processes
// for want of memory.
package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"cove/sandbox/cgroup"
)

// Watcher watches one container.
type Watcher struct {
	// ID is the container's, Group its control group.
	ID    string
	Group *cgroup.Group
	// Out is where the lines go.
	Out io.Writer
	// Interval is the time between two lines of what the container uses.
	Interval time.Duration
	// Ended reports whether the container has ended.
	Ended func() bool
}

// event is a line.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

// Stats writes one line of what the container uses.
func (w *Watcher) Stats() error {
	s, err := w.Group.Stats()
	if err != nil {
		return err
	}
	return w.write(event{Type: "stats", ID: w.ID, Data: statsOf(&s)})
}

func (w *Watcher) write(e event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("events: encoding: %w", err)
	}
	_, err = w.Out.Write(append(line, '\n'))
	return err
}

// oomInterval is how often the kernel's count of kills is read. v1 and v2 have
// different ways to be told of one, and both lose it when the group is removed.
const oomInterval = 50 * time.Millisecond

// Watch writes lines until the container or ctx ends.
func (w *Watcher) Watch(ctx context.Context) error {
	stats := time.NewTicker(w.Interval)
	defer stats.Stop()
	ooms := time.NewTicker(oomInterval)
	defer ooms.Stop()
	seen, err := w.Group.OOMKills()
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-stats.C:
			err = w.Stats()
		case <-ooms.C:
			ended := w.Ended() // before the last look, not after it
			if seen, err = w.oom(seen); ended {
				return err
			}
		}
	}
	return err
}

// oom writes a line for each kill that was not seen yet, and returns how many there
// were in all.
func (w *Watcher) oom(seen uint64) (uint64, error) {
	now, err := w.Group.OOMKills()
	for ; err == nil && seen < now; seen++ {
		err = w.write(event{Type: "oom", ID: w.ID})
	}
	return seen, err
}
