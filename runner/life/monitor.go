package life

import (
	"context"
	"errors"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/process"
	"cove/runner/attach"
	"cove/runner/life/spawn"
	"cove/runner/record"
)

// Nothing waits without end for a process that may hang.
const (
	// pollInterval is how often a waiting process checks that the other one is not
	// stopped.
	pollInterval = time.Second
	// answerTimeout is how long a monitor may take to answer, and a killed process
	// to end.
	answerTimeout = 10 * time.Second
	// startTimeout is how long a start may take, and how long a process may keep a
	// container's control lock.
	startTimeout = time.Minute
	// forever is the limit of what lasts as long as the container runs.
	forever = math.MaxInt64
)

// StandBy starts the monitor of a container that is about to be made, whose id
// is decided, so that the one starts while the other is made: see
// [Container.Use]. A monitor looks at nothing before it is told to start the
// container, and ends when whoever started it does. It is nil when it could not
// be started; then the start of the container tries again, and says why not.
func (o *Options) StandBy(dir record.Dir) *spawn.Monitor {
	m, err := o.Program.Monitor(dir)
	if err != nil {
		return nil
	}
	return m
}

// Use gives a monitor of StandBy to a container that nobody else has yet: its
// next start uses it. One that was given before and not used ends; nil is none.
func (c *Container) Use(m *spawn.Monitor) {
	c.standby.Close()
	c.standby = m
}

// call connects to the monitor of a container that ran a moment ago, and waits
// for its welcome. One that has ended is errdefs.ErrNotFound.
func (c *Container) call(ctx context.Context, monitor int, h attach.Hello, files ...*os.File) (*attach.Conn, error) {
	conn, err := attach.Dial(c.dir.Socket(c.o.Program.Run), h, files...)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	switch p, err := c.await(ctx, conn, monitor, answerTimeout); {
	case err == nil && p.Type == attach.TypeWelcome:
		return conn, nil
	case errors.Is(err, errdefs.ErrUnavailable) || ctx.Err() != nil:
		conn.Close()
		return nil, err
	default:
		conn.Close()
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %s: its monitor has just ended", c)
	}
}

// await receives a packet from a monitor that has to send one. It gives up when
// the monitor is stopped or stays silent for longer than limit: errdefs.ErrUnavailable.
func (c *Container) await(
	ctx context.Context, conn *attach.Conn, monitor int, limit time.Duration,
) (attach.Packet, error) {
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }() // fails if it is closed, as the next call on it then does
	stopped := 0
	for end := time.Now().Add(limit); ; {
		err := conn.SetReadDeadline(time.Now().Add(pollInterval))
		var p attach.Packet
		if err == nil {
			p, err = conn.Receive(true)
		}
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return p, err
		}
		if stopped++; !process.Stopped(monitor) {
			stopped = 0
		}
		switch {
		case stopped == 2: // a debugger may stop it for a moment
			return p, errdefs.Errorf(errdefs.ErrUnavailable,
				"container %s: its monitor, process %d, is stopped; "+
					"continue it with kill -CONT %[2]d, or remove the container by force", c, monitor)
		case time.Now().After(end):
			return p, errdefs.Errorf(errdefs.ErrUnavailable,
				"container %s: its monitor, process %d, does not answer; try again, or remove the container by force", c, monitor)
		}
	}
}

// EndMonitor kills the monitor. What it had to do is done by whoever looks next.
func (c *Container) EndMonitor(ctx context.Context) error {
	return c.endHolder(ctx, record.MonitorLock)
}

// endHolder kills the process that holds one of the container's locks for its life,
// and returns when it has ended.
func (c *Container) endHolder(ctx context.Context, name record.LockName) error {
	var pid int
	for deadline, ok := time.Now().Add(answerTimeout), false; !ok; pid, ok = process.Find(c.dir.Holder(name)) {
		// One that becomes another program, or hands the lock on, is nobody for a moment.
		switch time.Sleep(time.Millisecond); {
		case !c.dir.Held(name) || ctx.Err() != nil:
			return ctx.Err() // nil if it has ended meanwhile
		case time.Now().After(deadline):
			return errdefs.Errorf(errdefs.ErrUnavailable, "container %s: its %s is held by an unknown process", c, name)
		}
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return errdefs.Errorf(errdefs.ErrDenied, "container %s: killing process %d: %w", c, pid, err)
	}
	lock, err := c.dir.Lock(ctx, name, answerTimeout)
	if err != nil {
		return err
	}
	record.Unlock(lock)
	return nil
}
