package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/files"
	"cove/sandbox/plan"
)

// Process is the first process of a container, or one that joined it. Its
// methods are safe for concurrent use.
type Process struct {
	plan    *plan.Plan
	control control
	console *os.File
	output  *files.Output // of hooks; nil without

	mu    sync.Mutex // over pid and pidfd, which a fork changes
	pid   int
	pidfd *os.File

	forked chan int // the pid after a fork; closed if there is none
	done   chan struct{}
	status WaitStatus
	err    error

	release sync.Once
	started error
	begin   func() error // of a reparented one
}

// Reparented returns a process that another program has made, whose parent the caller has
// become (PR_SET_CHILD_SUBREAPER) and which nobody has waited for. It has console for
// its terminal, nil without one, and begin, nil for one that runs, lets it go on.
func Reparented(pid int, console *os.File, begin func() error) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: process %d: %w", pid, err)
	}
	if begin == nil {
		begin = func() error { return nil }
	}
	p := &Process{plan: &plan.Plan{}, console: console, done: make(chan struct{}), begin: begin}
	p.setPid(pid, fd)
	go p.reap(pid)
	return p, nil
}

// start runs the program. One thread starts it and waits for it to end: the
// kernel takes the thread that cloned a process for its parent, and kills the
// process (PR_SET_PDEATHSIG) when that thread ends, not the program it is of.
func (p *Process) start(fds *childFDs, l *launch) error {
	ready := make(chan error)
	p.forked = make(chan int, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the process
		leaveRealtime()
		err := p.clone(fds, l)
		program := p.Pid() // read here: followFork changes it
		ready <- err
		if err == nil {
			p.reap(program)
		}
	}()
	return <-ready
}

// leaveRealtime has the calling thread, and what it clones, be scheduled as others are:
// a group of version 1 without a real-time budget takes no process that is not (EINVAL),
// and no container asked for what whoever started it happens to have.
func leaveRealtime() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_FIFO && attr.Policy != unix.SCHED_RR {
		return
	}
	// If it may not, joining the group says so.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
}

func (p *Process) clone(fds *childFDs, l *launch) error {
	pidfd := -1
	attr := &syscall.ProcAttr{
		Files: fds.fds,
		Env:   []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:                 uintptr(l.plan.Clone),
			UidMappings:                mount.SysProcIDMap(l.plan.UIDs),
			GidMappings:                mount.SysProcIDMap(l.plan.GIDs),
			GidMappingsEnableSetgroups: true,
			PidFD:                      &pidfd,
		},
	}
	if l.plan.Clone&unix.CLONE_NEWUSER != 0 {
		// Before execve, which takes the capabilities of all but a namespace's root.
		attr.Sys.Credential = &syscall.Credential{}
	}
	if l.cgroupFD >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, l.cgroupFD
	}
	path := "/proc/self/fd/" + strconv.Itoa(fds.in.FirstFD)
	pid, _, err := syscall.StartProcess(path, []string{"cove-init"}, attr)
	if err != nil {
		return fmt.Errorf("sandbox: starting the program: clone: %w", err)
	}
	p.setPid(pid, pidfd)
	return nil
}

// setPid names the process and returns the descriptor of the one before.
func (p *Process) setPid(pid, fd int) *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.pidfd
	p.pid, p.pidfd = pid, os.NewFile(uintptr(fd), "pidfd")
	return old
}

// reap waits for the program to end and, if it forked the container's process,
// for that one.
func (p *Process) reap(program int) {
	status, err := wait(program)
	if p.plan.Forks {
		if pid, ok := <-p.forked; ok {
			status, err = wait(pid)
		}
	}
	p.status, p.err = status, err
	close(p.done)
}

func wait(pid int) (WaitStatus, error) {
	var ws unix.WaitStatus
	var s WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, 0, &s.Usage)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("sandbox: waiting for process %d: %w", pid, err)
		}
		break
	}
	if ws.Signaled() {
		s.Signal, s.CoreDumped = ws.Signal(), ws.CoreDump()
	} else {
		s.Code = ws.ExitStatus()
	}
	return s, nil
}

// await reads the program's records until the named barrier; empty is the end.
func (p *Process) await(barrier string) error {
	r := p.control.listen(p.plan, barrier, p.Pid())
	if r.pid != 0 {
		if err := p.followFork(r.pid); err != nil && r.err == nil {
			r.err = err
		}
	} else if p.plan.Forks && (r.closed || r.err != nil) && barrier != "" {
		close(p.forked)
	}
	if r.err == nil && r.closed && barrier != "" {
		<-p.done
		return errdefs.Errorf(errdefs.ErrUnavailable, "sandbox: the program ended before the process was created: %s",
			p.status)
	}
	return p.output.Explain(r.err)
}

// followFork makes p the process that the program has forked. That is a child of the
// caller and not reaped yet, so its pid cannot mean another process. A pid that is
// no child's is refused: only a program that the container has taken over tells one.
func (p *Process) followFork(pid int) error {
	fd, err := openChild(pid)
	if err != nil {
		close(p.forked)
		return err
	}
	p.setPid(pid, fd).Close()
	p.forked <- pid
	return nil
}

// openChild returns the descriptor of a child of the caller's.
func openChild(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	}
	if err != nil {
		closeFD(&fd)
		return -1, fmt.Errorf("sandbox: process %d: %w", pid, err)
	}
	return fd, nil
}

// destroy ends a process whose creation failed. Nothing of it is left.
func (p *Process) destroy() {
	_ = p.Signal(unix.SIGKILL)
	<-p.done
	p.PidFD().Close()
	p.abandon()
}

func (p *Process) abandon() {
	p.control.close()
	p.output.Close()
	if p.console != nil {
		p.console.Close()
	}
}

// Start lets the process go on to execve and returns when that has succeeded.
// A failure is a [*StepError], and the process has ended or is about to.
func (p *Process) Start() error {
	p.release.Do(func() {
		if p.begin != nil {
			p.started = p.begin()
			return
		}
		if err := p.control.release(); err != nil && !errors.Is(err, unix.EPIPE) {
			p.started = fmt.Errorf("sandbox: starting process %d: %w", p.Pid(), err)
		} else {
			p.started = p.await("")
		}
		p.control.close()
		p.output.Close()
	})
	return p.started
}

// Pid returns the process's id in the caller's pid namespace.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// PidFD returns the process's descriptor, which polls readable when the process has
// ended. It is the caller's to close, after Wait.
func (p *Process) PidFD() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pidfd
}

// Console returns the master of the process's terminal, nil without one. It is
// the caller's to close.
func (p *Process) Console() *os.File { return p.console }

// Signal sends sig to the process; ErrNotFound if it has ended.
func (p *Process) Signal(sig unix.Signal) error {
	conn, err := p.PidFD().SyscallConn()
	if err != nil {
		return fmt.Errorf("sandbox: signal %v to process %d: %w", sig, p.Pid(), err)
	}
	var sent error
	// Control keeps the descriptor from being closed, and its number reused.
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err == nil {
		err = sent
	}
	if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrClosed) {
		return errdefs.Errorf(errdefs.ErrNotFound, "sandbox: process %d has ended", p.Pid())
	}
	if err != nil {
		return fmt.Errorf("sandbox: signal %v to process %d: %w", sig, p.Pid(), err)
	}
	return nil
}

// Wait waits for the process to end, or for ctx. It may be called more than
// once.
func (p *Process) Wait(ctx context.Context) (WaitStatus, error) {
	select {
	case <-p.done:
		return p.status, p.err
	case <-ctx.Done():
		return WaitStatus{}, ctx.Err()
	}
}

// WaitStatus is how a process ended, as wait4(2) tells.
type WaitStatus struct {
	// Code is the exit code if Signal is zero.
	Code int
	// Signal is the one that ended the process.
	Signal unix.Signal
	// CoreDumped reports that a core was written.
	CoreDumped bool
	// Usage is what the process and its reaped children used.
	Usage unix.Rusage
}

// ExitCode is Code, or 128 plus the signal.
func (s WaitStatus) ExitCode() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// String says how the process ended.
func (s WaitStatus) String() string {
	if s.Signal != 0 {
		return "killed by " + unix.SignalName(s.Signal)
	}
	return "exit code " + strconv.Itoa(s.Code)
}

// CloseControl closes the caller's ends of the named pipes, for who has created
// the process and lets another Release it.
func (p *Process) CloseControl() {
	p.release.Do(func() {
		p.control.close()
		p.output.Close()
	})
}
