package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/events"
	"cove/internal/process"
	"cove/runner/attach"
	"cove/runner/health"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox"
)

// watchHealth checks the container until ctx ends, which is before its monitor waits
// for the execs that run.
func (m *monitor) watchHealth(ctx context.Context, h record.Health) {
	check, started := *m.cfg.Health, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(health.Wait(check, h, time.Since(started))):
		}
		if m.o.Dir.Marked(record.PausedMark) {
			continue
		}
		r, ran := m.probe(ctx, check)
		if !ran || ctx.Err() != nil || r.ExitCode == killed && endsWith(ctx) {
			return // it has ended
		}
		if m.o.Dir.Marked(record.PausedMark) {
			continue // it was frozen meanwhile: that it did not answer says nothing
		}
		before := h.Status
		h = health.After(check, h, r, started)
		_ = m.o.Dir.SetHealth(h) // the next may find room
		m.hub.memory.schedule()
		if h.Status != before {
			m.told().Tell(events.HealthStatus + ": " + h.Status)
		}
		if h.Status == record.Unhealthy && before != record.Unhealthy {
			m.unhealthy(ctx, check)
		}
	}
}

// killed is the code of a check that was killed: with its container, or it alone.
const killed = 128 + int(unix.SIGKILL)

// endsWith reports whether the container has ended, too: the kernel kills all that is in
// it before that is known.
func endsWith(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(time.Second):
		return false
	}
}

// probe runs one check; ran is false when the container has ended.
func (m *monitor) probe(ctx context.Context, check record.HealthCheck) (r record.HealthResult, ran bool) {
	if !m.enterExec() {
		return r, false
	}
	defer m.execs.Done()
	r.Start = time.Now().UTC()
	r.ExitCode, r.Output = m.answer(ctx, check)
	r.End = time.Now().UTC()
	return r, true
}

// answer is the exit code of a check and the beginning of what it printed.
func (m *monitor) answer(ctx context.Context, check record.HealthCheck) (code int, output string) {
	out, theirs, err := task.Pipe(true)
	if err != nil {
		return -1, err.Error()
	}
	defer out.Close()
	cfg := record.ExecConfig{Args: health.Args(check)}
	p, err := m.join(ctx, attach.Hello{Exec: &cfg}, []*os.File{theirs, theirs})
	theirs.Close()
	if err != nil {
		return task.Failure(err).Code, err.Error()
	}
	exec := m.execTold(cfg)
	exec.Begun()
	defer func() { exec.Ended(code) }()
	printed := make(chan string, 1)
	go func() { printed <- beginning(out) }()
	limited, cancel := context.WithTimeout(ctx, health.Timeout(check))
	defer cancel()
	status, err := p.Wait(limited)
	if err != nil {
		code = -1
		m.killWhole(p)
	} else {
		code = status.ExitCode()
	}
	// What the check left behind may hold its output open.
	_ = out.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // pipes take deadlines
	output = <-printed
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		output = fmt.Sprintf("Health check exceeded timeout (%v): %s", health.Timeout(check), output)
		output = strings.TrimSuffix(output, ": ")
	}
	return code, output
}

// beginning reads to the end, and keeps as much as is shown.
func beginning(out io.Reader) string {
	var b strings.Builder
	_, err := io.Copy(&b, io.LimitReader(out, health.MaxOutput))
	if err == nil {
		_, _ = io.Copy(io.Discard, out) // until the check ends, or the deadline
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// killWhole ends a check that does not end by itself, with all that it started: they
// are stopped first, so that none starts another meanwhile.
func (m *monitor) killWhole(p *sandbox.Process) {
	var whole []int
	for {
		procs, err := m.task.Group.Procs()
		if err != nil {
			break
		}
		found := process.Descendants(p.Pid(), procs)
		if len(found) == len(whole) {
			break
		}
		whole = found
		for _, pid := range whole {
			_ = unix.Kill(pid, unix.SIGSTOP) // it may have ended
		}
	}
	for _, pid := range whole {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	_ = p.Signal(unix.SIGKILL)
	_, _ = p.Wait(context.Background()) // killed: it ends
}

// unhealthy does with the container what it asked for.
func (m *monitor) unhealthy(ctx context.Context, check record.HealthCheck) {
	switch check.OnFailure {
	case record.HealthKill:
		_ = m.task.Process.Signal(unix.SIGKILL) // fails if it has ended
	case record.HealthRestart:
		m.restart.Store(true)
		m.stopBy(ctx)
	case record.HealthStop:
		_ = m.o.Dir.SetMark(record.StopMark, true) // without it the policy decides
		m.stopBy(ctx)
	}
}

// stopBy asks the container to end, as stop does, and kills it when it does not.
func (m *monitor) stopBy(ctx context.Context) {
	_ = m.task.Process.Signal(m.stopSignal()) // fails if it has ended
	grace := 10 * time.Second
	if own := m.cfg.StopTimeout; own != nil {
		grace = *own
	}
	if grace < 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(grace):
		_ = m.task.Process.Signal(unix.SIGKILL)
	}
}
