package containercmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"cove/engine"
	"cove/engine/containers"
	"cove/errdefs"
	"cove/internal/cli/app"
)

const (
	defaultDetachKeys = "ctrl-p,ctrl-q"
	keysUsage         = "`keys` that leave it running, with -t (default: detachKeys of docker's config.json, or " + defaultDetachKeys + ")"
)

// terminal is this side of an interactive session: raw mode while it lasts,
// and the window's size whenever it changes.
type terminal struct {
	a    *app.App
	undo []func()
}

type terminalOptions struct {
	stdin, tty bool
	keys       string
	// only are the streams to attach to; empty is all.
	only []string
}

func (o terminalOptions) wants(stream string) bool {
	return len(o.only) == 0 || slices.ContainsFunc(o.only, func(s string) bool { return strings.EqualFold(s, stream) })
}

// check refuses what open would, before anything is made.
func (t *terminal) check(o terminalOptions) error {
	if _, ok := app.Terminal(t.a.In); o.stdin && o.tty && !ok {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the input device is not a TTY: -t with -i needs a terminal; leave out -t to pipe")
	}
	_, err := t.detachKeys(o)
	return err
}

// detachKeys are what was typed, what the person's configuration says, or the usual.
func (t *terminal) detachKeys(o terminalOptions) ([]byte, error) {
	if o.keys == "" && o.tty {
		o.keys = t.a.Docker().DetachKeys
	}
	return parseDetachKeys(cmp.Or(o.keys, defaultDetachKeys))
}

// open connects the caller's streams and makes its terminal raw when a
// terminal is asked for. It must be restored.
func (t *terminal) open(o terminalOptions) (containers.Streams, error) {
	s := containers.Streams{Stdout: io.Discard, Stderr: io.Discard}
	if o.wants("stdout") {
		s.Stdout = t.a.Out
	}
	if o.wants("stderr") {
		s.Stderr = t.a.Err
	}
	if o.stdin = o.stdin && o.wants("stdin"); o.stdin {
		s.Stdin = t.a.In
	}
	if err := t.check(o); err != nil || !o.tty {
		return s, err
	}
	s.DetachKeys, _ = t.detachKeys(o)
	if out, ok := app.Terminal(t.a.Out); ok {
		s.Resize = t.watchSize(out)
	}
	if o.stdin {
		in, _ := app.Terminal(t.a.In)
		old, err := term.MakeRaw(in)
		if err != nil {
			return s, err
		}
		t.undo = append(t.undo, func() { _ = term.Restore(in, old) }) // nothing is left to try
	}
	return s, nil
}

// restore gives the terminal back as it was; again does nothing.
func (t *terminal) restore() {
	for _, undo := range t.undo {
		undo()
	}
	t.undo = nil
}

// watchSize tells the size of the terminal fd, now and whenever it changes.
func (t *terminal) watchSize(fd int) <-chan containers.Size {
	sizes := make(chan containers.Size, 1)
	winch := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(winch, unix.SIGWINCH)
	t.undo = append(t.undo, func() {
		signal.Stop(winch)
		close(done)
	})
	go func() {
		for {
			if ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
				select {
				case sizes <- containers.Size{Rows: ws.Row, Cols: ws.Col}:
				case <-done:
					return
				}
			}
			select {
			case <-winch:
			case <-done:
				return
			}
		}
	}()
	return sizes
}

// parseDetachKeys reads the value of --detach-keys.
func parseDetachKeys(s string) ([]byte, error) {
	keys, err := containers.ParseDetachKeys(s)
	if err != nil {
		return nil, fmt.Errorf("--detach-keys: %w", err)
	}
	return keys, nil
}

// proxySignals hands every signal that is sent to this program on to the
// container's first process.
func proxySignals(a *app.App, eng *engine.Engine, id string) {
	a.OnSignal(func(sig os.Signal) {
		if s, ok := sig.(syscall.Signal); ok {
			_ = eng.Kill(context.Background(), id, strconv.Itoa(int(s))) // it may have ended just now
		}
	}, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGALRM)
}
