// Package hooks runs the hooks of a runtime spec that belong in the runtime's
// own namespaces: prestart, createRuntime, poststart and poststop. Those of the
// container are steps of its plan.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Error is the failure of one hook. It is errdefs.ErrUnavailable, and whatever
// Err is.
type Error struct {
	// Hook is its kind, its place in the list, and its path, as
	// "createRuntime[0] /bin/x".
	Hook string
	// Err is why.
	Err error
	// Output is the beginning of what the hook printed.
	Output string
}

// Error names the hook, and quotes what it printed.
func (e *Error) Error() string {
	kind, rest, _ := strings.Cut(e.Hook, "[")
	place, path, _ := strings.Cut(rest, "] ")
	text := "error running " + kind + " hook #" + place + ": " + path + ": " + e.Err.Error()
	if e.Output != "" {
		text += ": " + e.Output
	}
	return text
}

// Unwrap makes kind and cause reachable.
func (e *Error) Unwrap() []error { return []error{errdefs.ErrUnavailable, e.Err} }

// StatusError says how a hook ended that should have ended with code 0.
func StatusError(s unix.WaitStatus) error {
	if s.Signaled() {
		return fmt.Errorf("killed by %s (%v)", unix.SignalName(s.Signal()), s.Signal())
	}
	return fmt.Errorf("exit code %d", s.ExitStatus())
}

// TimeoutError says that a hook took longer than it may.
func TimeoutError(d time.Duration) error {
	return fmt.Errorf("it did not end within its timeout of %s", d)
}

// Run runs hooks of a kind in order, with the state on standard input, until
// one fails with an *[Error]. Their directory is the bundle, where it exists.
func Run(ctx context.Context, kind string, hooks []specs.Hook, st specs.State) error {
	for i := range hooks {
		if err := RunOne(ctx, kind, hooks, i, st); err != nil {
			return err
		}
	}
	return nil
}

// RunOne runs the hook at i, for kinds of which all are run whatever one does.
func RunOne(ctx context.Context, kind string, hooks []specs.Hook, i int, st specs.State) error {
	state, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("hooks: encoding the state: %w", err)
	}
	h := hooks[i]
	if h.Timeout != nil {
		d := time.Duration(*h.Timeout) * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, TimeoutError(d))
		defer cancel()
	}
	out := &beginning{}
	cmd := exec.CommandContext(ctx, h.Path)
	cmd.Env = append([]string{}, h.Env...) // nil would be this process's own
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	if _, err := os.Stat(st.Bundle); err == nil {
		cmd.Dir = st.Bundle
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), out, out
	if err := run(ctx, cmd); err != nil {
		return &Error{Hook: fmt.Sprintf("%s[%d] %s", kind, i, h.Path), Err: err, Output: out.String()}
	}
	return nil
}

// run runs a hook and, when ctx ends first, kills it with all that it has
// started.
func run(ctx context.Context, cmd *exec.Cmd) error {
	// It dies with the thread that started it, which waits here.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	// What the hook leaves running may keep its streams; the hook has ended.
	cmd.WaitDelay = 200 * time.Millisecond
	// Descriptors that this process was given are for the container, if for anyone.
	if err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keeping descriptors: %w", err)
	}
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok {
			return StatusError(unix.WaitStatus(status))
		}
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}

// maxOutput is how much of what a hook prints is kept for its error.
const maxOutput = 4 << 10

// beginning keeps the first bytes that are written to it. It embeds no buffer,
// whose ReadFrom would take all that there is.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxOutput-len(b.text))]...)
	return len(p), nil
}

func (b *beginning) String() string { return strings.TrimSpace(string(b.text)) }
