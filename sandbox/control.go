package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/agent"
	"cove/sandbox/files"
	"cove/sandbox/hooks"
	"cove/sandbox/plan"
	"cove/sandbox/program"
)

// control are the two pipes between a program and its parent. Descriptors are
// plain and blocking: there is one reader, and it has nothing else to do.
type control struct {
	gate, status           int // the parent's ends
	childGate, childStatus int
	// last is the step that the program has come to, as far as it told.
	last int
	// forked says that it has told the pid of the process that goes on for it.
	forked bool
	// agent is for the listener of the filter; listener is the descriptor of one whose
	// process has not told its pid.
	agent    *agent.Agent
	listener int
	owners   owners
}

func pipeControl() (control, error) {
	var gate, status [2]int
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		return control{}, fmt.Errorf("sandbox: pipe: %w", err)
	}
	if err := unix.Pipe2(status[:], unix.O_CLOEXEC); err != nil {
		unix.Close(gate[0])
		unix.Close(gate[1])
		return control{}, fmt.Errorf("sandbox: pipe: %w", err)
	}
	return control{gate: gate[1], childGate: gate[0], status: status[0], childStatus: status[1], last: -1}, nil
}

// gateName is runc's name for what a created container waits at, by which its tests and
// others who look at a waiting process know it.
const gateName = "exec.fifo"

// namedControl makes the gate in dir, for another process to find. That finds the status
// pipe, which has no name, among the program's descriptors.
func namedControl(dir string) (control, error) {
	c := control{gate: -1, status: -1, childGate: -1, childStatus: -1, last: -1}
	var status [2]int
	if err := unix.Pipe2(status[:], unix.O_CLOEXEC); err != nil {
		return c, fmt.Errorf("sandbox: pipe: %w", err)
	}
	c.status, c.childStatus = status[0], status[1]
	name := filepath.Join(dir, gateName)
	err := unix.Mkfifo(name, 0o600)
	if err == nil {
		// The program holds both ends of its gate, so that the creator may go.
		c.childGate, err = unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		c.gate, err = unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		c.close()
		c.closeChild()
		return c, fmt.Errorf("sandbox: making the pipe %s: %w", name, err)
	}
	return c, nil
}

func block(fd int) error {
	if err := unix.SetNonblock(fd, false); err != nil {
		return fmt.Errorf("sandbox: status pipe: %w", err)
	}
	return nil
}

func closeFD(fd *int) {
	if *fd >= 0 {
		unix.Close(*fd)
		*fd = -1
	}
}

func (c *control) close() {
	closeFD(&c.gate)
	closeFD(&c.status)
	c.agent.Close()
}

func (c *control) closeChild() {
	closeFD(&c.childGate)
	closeFD(&c.childStatus)
}

// AtGate reports whether a process is a program that waits at the gate in dir: it has the pipe open.
func AtGate(dir string, pid int) bool {
	_, err := gateOf(dir, pid)
	return err == nil
}

// gateOf is the descriptor that process pid has of the gate in dir.
func gateOf(dir string, pid int) (int, error) {
	gate, err := os.Stat(filepath.Join(dir, gateName))
	if err != nil {
		return -1, err
	}
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(fds)
	if err != nil {
		return -1, err
	}
	for _, e := range names {
		open, err := os.Stat(filepath.Join(fds, e.Name()))
		if err == nil && os.SameFile(gate, open) {
			return strconv.Atoi(e.Name())
		}
	}
	return -1, unix.ENXIO
}

// release lets the program pass one barrier.
func (c *control) release() error {
	for {
		_, err := unix.Write(c.gate, []byte{1})
		if err != unix.EINTR {
			return err
		}
	}
}

// read returns the next record; false when the program has closed the pipe.
func (c *control) read() (program.Record, bool, error) {
	var b [program.RecordSize]byte
	for {
		// Records are shorter than PIPE_BUF, so they arrive whole (pipe(7)).
		n, err := unix.Read(c.status, b[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return program.Record{}, false, fmt.Errorf("sandbox: status pipe: %w", err)
		case n == 0:
			return program.Record{}, false, nil
		case n != len(b):
			return program.Record{}, false, errdefs.Errorf(errdefs.ErrCorrupt,
				"sandbox: status pipe: a record of %d bytes", n)
		default:
			return program.Decode(b), true, nil
		}
	}
}

// report is what the records up to a barrier, or the end, said.
type report struct {
	pid    int  // of a forked process
	closed bool // the program closed the pipe: it has done execve, or died
	err    error
}

// listen reads records of process pid until the named barrier or the end.
func (c *control) listen(p *plan.Plan, barrier string, pid int) report {
	var r report
	var denied, reached bool
	// The forked process may get to its barrier before the program that forked
	// it has reported the pid.
	needPid := !c.forked && forksBefore(p, barrier)
	for !reached || needPid && r.pid == 0 {
		if err := c.patience(p); err != nil {
			r.fail(err)
			return r
		}
		rec, ok, err := c.read()
		if err != nil || !ok {
			r.closed = !ok
			if r.err == nil {
				r.err = err
			}
			return r
		}
		if c.aside(p, rec, pid, needPid && r.pid == 0, &r) {
			continue
		}
		index, ended, isEnd := rec.Reaped()
		if index >= len(p.Steps) {
			r.err = errdefs.Errorf(errdefs.ErrCorrupt, "sandbox: status pipe: step %d of %d", rec.Step, len(p.Steps))
			return r
		}
		step, errno := &p.Steps[index], unix.Errno(rec.Value)
		c.last = index
		switch {
		case isEnd && ended == 0:
		case isEnd:
			r.fail(childError(step, hooks.StatusError(ended)))
		case step.Op == plan.Barrier && errno == 0:
			reached = reached || step.Why == barrier
		case step.Note && slices.Contains(step.Accept, errno):
			denied = denied || errno == unix.EACCES
		default:
			r.fail(stepError(index, step, errno, denied, p.Command))
		}
		// If the program forks, the pid of the other may still be on its way; both
		// end now.
		if r.err != nil && !p.Forks {
			return r
		}
	}
	return r
}

// forksBefore reports whether the program forks on its way to a barrier.
func forksBefore(p *plan.Plan, barrier string) bool {
	for i := range p.Steps {
		switch {
		case p.Steps[i].Op == plan.Fork:
			return true
		case p.Steps[i].Op == plan.Barrier && p.Steps[i].Why == barrier:
			return false
		}
	}
	return false
}

// aside takes a record that is no step's outcome: the pid of a forked process, if that is
// still to come, or the descriptor of the filter's listener in it or in process pid.
func (c *control) aside(p *plan.Plan, rec program.Record, pid int, needPid bool, r *report) bool {
	if forked, ok := rec.Forked(); ok && needPid {
		r.pid, c.forked = forked, true
		r.fail(c.handOver(p, forked))
		r.fail(c.mapPending(p, forked))
		return true
	}
	if step, fd, ok := rec.Maps(); ok {
		c.owners.step, c.owners.fd = step, fd
		if !needPid || !forks(p, step) {
			r.fail(c.mapPending(p, cmp.Or(r.pid, pid)))
		}
		return true
	}
	fd, ok := rec.Listens()
	if ok {
		c.listener = fd
		if !needPid || !forksFirst(p) {
			r.fail(c.handOver(p, cmp.Or(r.pid, pid)))
		}
	}
	return ok
}

// forksFirst reports whether the program forks the process before that loads its filter.
func forksFirst(p *plan.Plan) bool {
	first := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.Fork || s.Op == plan.Listen })
	return first >= 0 && p.Steps[first].Op == plan.Fork
}

// handOver takes the listener that process pid has told of, and gives it to the agent: at
// once, unless the process that the filter is for is still to be forked. The agent is then
// told of that one, whose pid comes next. If it fails the process ends, which waits.
func (c *control) handOver(p *plan.Plan, pid int) error {
	loads := c.listener != 0
	if !loads && !c.agent.Waiting() {
		return nil
	}
	child, err := openChild(pid)
	if err != nil {
		return err
	}
	defer unix.Close(child)
	if loads {
		err = c.agent.Take(child, c.listener)
	}
	if err == nil && (!loads || !p.Forks || forksFirst(p) || p.AgentFirst) {
		err = c.agent.Send(pid)
	}
	if err == nil && loads {
		c.listener, err = 0, c.release()
	}
	if err != nil {
		_ = unix.PidfdSendSignal(child, unix.SIGKILL, nil, 0) // fails if it has ended
	}
	return err
}

// fail keeps the first failure.
func (r *report) fail(err error) {
	if r.err == nil { // nil is none
		r.err = err
	}
}

// patience waits for a record no longer than the hook may take that runs now.
func (c *control) patience(p *plan.Plan) error {
	hook := hookAfter(p, c.last)
	if hook == nil || hook.Timeout == 0 {
		return nil
	}
	for deadline := time.Now().Add(hook.Timeout); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return childError(hook, hooks.TimeoutError(hook.Timeout))
		}
		ready := []unix.PollFd{{Fd: int32(c.status), Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, int(left.Milliseconds())+1); err == nil && n > 0 {
			return nil
		}
	}
}

// hookAfter is the step that waits for the next hook, if the program runs one
// before it waits for its parent.
func hookAfter(p *plan.Plan, last int) *plan.Step {
	for i := last + 1; i < len(p.Steps); i++ {
		switch p.Steps[i].Op {
		case plan.Barrier:
			return nil
		case plan.Reap:
			return &p.Steps[i]
		}
	}
	return nil
}

// childError is how a child of the program ended: a hook, or one that makes a mount.
func childError(s *plan.Step, err error) error {
	if strings.HasPrefix(s.Why, plan.HookStep) {
		return &hooks.Error{Hook: hookName(s), Err: err}
	}
	return fmt.Errorf("sandbox: %s: its process: %w", s.Why, err)
}

func hookName(s *plan.Step) string { return strings.TrimPrefix(s.Why, plan.HookStep) }

func stepError(index int, step *plan.Step, errno unix.Errno, denied bool, command string) error {
	e := &StepError{
		Index: index, Why: step.Why, Call: step.Call, Errno: errno,
		Exec: step.Why == plan.Exec, Command: command,
	}
	if strings.HasPrefix(step.Why, plan.HookStep) {
		return &hooks.Error{Hook: hookName(step), Err: fmt.Errorf("%s: %w", step.Call, errno)}
	}
	if e.Exec && denied && errno == unix.ENOENT {
		// As execvp(3): what could not be executed says more than what is not there.
		e.Errno = unix.EACCES
	}
	return e
}

// Release starts process pid, which was created with Request.Control = dir and
// plan p, and removes the gate.
func Release(ctx context.Context, dir string, pid int, p *plan.Plan) error {
	// Whoever created the process has learned its pid.
	c := control{gate: -1, status: -1, childGate: -1, childStatus: -1, last: -1, forked: true}
	defer c.close()
	gate, err := gateOf(dir, pid)
	if err != nil {
		return releaseError(dir, err)
	}
	// The status pipe is the descriptor after it: see [program.Input].
	if c.status, err = unix.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, gate+1),
		unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return releaseError(dir, err)
	}
	if c.gate, err = unix.Open(filepath.Join(dir, gateName), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC,
		0); err != nil {
		return releaseError(dir, err)
	}
	if err := block(c.status); err != nil {
		return err
	}
	c.last = slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.Barrier && s.Why == plan.Created })
	output, err := files.ReopenOutput(dir, p)
	if err != nil {
		return releaseError(dir, err)
	}
	defer output.Close()
	if err := c.release(); err != nil {
		return releaseError(dir, err)
	}
	r := c.listen(p, "", 0)
	for _, name := range []string{gateName, files.OutputName} {
		err := unix.Unlink(filepath.Join(dir, name))
		if name == files.OutputName && errors.Is(err, unix.ENOENT) {
			continue // without hooks
		}
		if err != nil {
			r.fail(fmt.Errorf("sandbox: %s: %w", dir, err))
		}
	}
	return output.Explain(r.err)
}

func releaseError(dir string, err error) error {
	kind := errdefs.ErrUnavailable
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) {
		kind = errdefs.ErrConflict
	}
	return errdefs.Errorf(kind, "sandbox: %s: no created process waits to be started: %w", dir, err)
}
