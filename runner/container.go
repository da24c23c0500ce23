package runner

import (
	"context"
	"io"
	"iter"
	"syscall"
	"time"

	"cove/errdefs"
)

// Container is a recorded container. Its methods read the disk afresh.
type Container struct {
	r   *Runner
	cfg Config
}

// Open returns the Runner of a root; directories are made when needed.
func Open(o Options) (*Runner, error) { return &Runner{opts: o.withDefaults()}, nil }

var errSoon = errdefs.Errorf(errdefs.ErrUnsupported, "runner: not built yet")

// Create records a container, durably; nothing runs yet. A name in use is
// errdefs.ErrExists and says by which container.
func (r *Runner) Create(ctx context.Context, cfg Config) (*Container, error) { return nil, errSoon }

// Get finds a container by its name, its ID, or a prefix of its ID. No match is
// errdefs.ErrNotFound, more than one errdefs.ErrConflict.
func (r *Runner) Get(ctx context.Context, ref string) (*Container, error) { return nil, errSoon }

// All returns every container, newest first.
func (r *Runner) All(ctx context.Context) ([]*Container, error) { return nil, errSoon }

// Roots yields what containers keep from being collected: "snapshot/"+key for
// snapshots, and image config digests as they are.
func (r *Runner) Roots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {}
}

// Run runs one process to its end, without monitor and without a record; it
// dies with the caller, and is killed when ctx ends. A program that could not
// start is a *StartError.
func (r *Runner) Run(ctx context.Context, req RunRequest) (ExitStatus, error) {
	return ExitStatus{}, errSoon
}

// Clean removes what dead containers left behind: cgroups, interfaces,
// addresses, firewall rules, records of AutoRemove containers. It returns what
// it removed, one line each.
func (r *Runner) Clean(ctx context.Context) ([]string, error) { return nil, errSoon }

// Config is what the container was asked to be.
func (c *Container) Config() Config { return c.cfg }

// ID is the container's full ID.
func (c *Container) ID() string { return c.cfg.ID }

// Name is the container's present name.
func (c *Container) Name() string { return c.cfg.Name }

// Dir is containers/<id>: config.json, state.json, hosts, hostname,
// resolv.conf are in it.
func (c *Container) Dir() string { return "" }

// LogPath is the newest log file, in docker's json-file format.
func (c *Container) LogPath() string { return "" }

// State reads the container's state, reconciled: if its monitor is gone or the
// machine was rebooted, it is recorded as exited and cleaned up first.
func (c *Container) State(ctx context.Context) (State, error) { return State{}, errSoon }

// Start starts the container under a detached monitor and returns when its
// process runs. It is a *StartError when it cannot, errdefs.ErrConflict when it
// runs already.
func (c *Container) Start(ctx context.Context) error { return errSoon }

// StartAttached is Start, attached from the first byte of output on.
func (c *Container) StartAttached(ctx context.Context) (*Session, error) { return nil, errSoon }

// Attach connects to the running container's streams.
func (c *Container) Attach(ctx context.Context) (*Session, error) { return nil, errSoon }

// Wait waits until the container is not running. A container that was removed
// meanwhile answers with the code it ended with.
func (c *Container) Wait(ctx context.Context) (ExitStatus, error) { return ExitStatus{}, errSoon }

// Stop sends the stop signal, waits, and kills; timeout < 0 is the
// container's own. A container that does not run is no error.
func (c *Container) Stop(ctx context.Context, timeout time.Duration) error { return errSoon }

// Kill sends a signal to the container's first process; SIGKILL to all of them.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal) error { return errSoon }

// Pause freezes all processes of the container.
func (c *Container) Pause(ctx context.Context) error { return errSoon }

// Unpause thaws it.
func (c *Container) Unpause(ctx context.Context) error { return errSoon }

// Exec runs one more process in the container. Without Detach it streams until
// the process ends.
func (c *Container) Exec(ctx context.Context, cfg ExecConfig, s Streams) (ExitStatus, error) {
	return ExitStatus{}, errSoon
}

// Procs returns the host pids of the container's processes, ascending.
func (c *Container) Procs(ctx context.Context) ([]int, error) { return nil, errSoon }

// Top is the process table as ps on the host prints it with psArgs (default
// -ef), reduced to the container's processes; the first row is the header. The
// image needs no ps.
func (c *Container) Top(ctx context.Context, psArgs []string) ([][]string, error) {
	return nil, errSoon
}

// Logs writes the recorded output. It returns when all is written, or with
// Follow when the container has exited.
func (c *Container) Logs(ctx context.Context, o LogOptions, stdout, stderr io.Writer) error {
	return errSoon
}

// Remove deletes the container, its log and its snapshot. A running one is
// errdefs.ErrConflict unless force, which kills it.
func (c *Container) Remove(ctx context.Context, force bool) error { return errSoon }

// Rename gives the container another name.
func (c *Container) Rename(ctx context.Context, name string) error { return errSoon }

// LogOptions choose from a log.
type LogOptions struct {
	Follow       bool
	Tail         int // last lines; < 0 or 0 with All is everything
	All          bool
	Since, Until time.Time
	Timestamps   bool
}

// Streams are the caller's ends of a process's standard streams. Nil ones are
// not connected.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Resize delivers the size of the caller's terminal, at first and whenever
	// it changes.
	Resize <-chan Size
	// DetachKeys end the session when read from Stdin; nil is never.
	DetachKeys []byte
}

// Size is a terminal's.
type Size struct{ Rows, Cols uint16 }

// ErrDetached ends a session that the detach keys ended; the container goes on.
var ErrDetached = errdefs.Errorf(errdefs.ErrConflict, "detached")

// Session is a connection to a container's streams.
type Session struct{}

// Stream copies until the container exits, the detach keys come
// (ErrDetached), or ctx ends.
func (s *Session) Stream(ctx context.Context, st Streams) (ExitStatus, error) {
	return ExitStatus{}, errSoon
}

// Close ends the session; the container goes on.
func (s *Session) Close() error { return nil }
