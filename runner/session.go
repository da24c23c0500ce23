package runner

import (
	"cove/runner/attach"
	"cove/runner/life"
	"cove/runner/life/spawn"
	"cove/runner/record"
)

// These names of package life are repeated here, so that whoever starts and watches
// containers imports this package alone.
type (
	// Streams are the caller's ends of a process's standard streams.
	Streams = life.Streams
	// Size is a terminal's.
	Size = life.Size
	// Session is a connection to a container's streams.
	Session = life.Session
	// Monitor is a monitor that waits to be told to start its container.
	Monitor = spawn.Monitor
)

// ErrDetached ends a session that the detach keys ended; the container goes on.
var ErrDetached = attach.ErrDetached

// OwnTimeout is, to Stop and Restart, the timeout that the container was made with.
const OwnTimeout = life.OwnTimeout

// ParseDetachKeys reads docker's form: "ctrl-p,ctrl-q", "a,ctrl-[".
func ParseDetachKeys(text string) ([]byte, error) { return attach.ParseKeys(text) }

// StandBy starts the monitor of a container that is about to be made, whose id is
// decided, so that the one starts while the other is made: see
// [life.Container.Use]. It is nil when it could not be started; then the start of
// the container tries again, and says why not.
func (r *Runner) StandBy(id string) *Monitor { return r.life.StandBy(record.Of(r.opts.Root, id)) }
