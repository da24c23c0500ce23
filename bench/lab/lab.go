// Package lab is the place where engines are measured: their state, their servers and the
// variables of command lines (Lab); pieces of work there (Step) and what they rest on (Need);
// and one comparison of several ways to do the same (Row).
package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cove/bench/machine"
)

// Lab is where the engines live during a run: their state, their servers, and
// the variables that rows name in command lines.
type Lab struct {
	Work     string            // state, also $WORK
	Where    string            // what kind of place that is
	Vars     map[string]string // also the environment of every command
	prepared map[string]error  // how each need went
	servers  []*Server
	ends     []Step // before the servers are stopped
	last     []Step // after that
}

// Step is a piece of work in a lab.
type Step func(ctx context.Context, l *Lab) error

// Need is what several rows rest on. A lab does it once, when the first of them
// asks; when it failed then it stays failed.
type Need struct {
	Name string
	Do   Step
}

const (
	needLimit  = 5 * time.Minute
	closeLimit = 30 * time.Second
)

// Prepare does what the needs ask for and was not done yet.
func (l *Lab) Prepare(ctx context.Context, needs ...Need) error {
	for _, n := range needs {
		err, tried := l.prepared[n.Name]
		if !tried {
			limited, cancel := context.WithTimeout(ctx, needLimit)
			err = n.Do(limited, l)
			cancel()
			l.prepared[n.Name] = err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	return nil
}

// New prepares the namespaces, and gives the lab these variables, whose values may
// name others of it. It runs inside them.
func New(ctx context.Context, onDisk bool, vars map[string]string, prepare Step) (*Lab, error) {
	l := &Lab{Work: workDir, Vars: map[string]string{"WORK": workDir}, prepared: map[string]error{}}
	dirs := map[string]string{"BIN": "bin", "CACHE": cacheDir, "DISK": diskDir, "TOOLS": ".cache/tools"}
	for name, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		l.Vars[name] = path
	}
	for name, value := range vars {
		l.Vars[name] = l.Expand(value)
	}
	return l, Steps(mountWork(onDisk), Shell("ip link set lo up"), prepare)(ctx, l)
}

// mountWork puts a file system in memory where the state goes, if there is room
// for all engines at once: what a disk adds is the same for all and hides them.
func mountWork(onDisk bool) Step {
	return func(ctx context.Context, l *Lab) error {
		if free := machine.Memory("MemAvailable"); !onDisk && free > 17<<30 {
			l.Where = "a file system in memory"
			return Run(fmt.Sprintf("mount -t tmpfs -o mode=755,size=%d tmpfs $WORK", free-(3<<30)))(ctx, l)
		}
		l.Where = "the disk"
		return Shell("mkdir $DISK/work; mount --bind $DISK/work $WORK")(ctx, l)
	}
}

// AtEnd has something done when the lab is closed.
func (l *Lab) AtEnd(do Step) { l.ends = append(l.ends, do) }

// AfterServers has something done when the lab is closed and its servers have ended.
func (l *Lab) AfterServers(do Step) { l.last = append(l.last, do) }

// Expand replaces $NAME by what the lab has under it.
func (l *Lab) Expand(line string) string {
	return os.Expand(line, func(name string) string { return l.Vars[name] })
}

// In makes a command of a line with the lab's variables. It dies with all that
// it started when ctx ends.
func (l *Lab) In(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = os.Environ()
	for k, v := range l.Vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Run makes a step of one command, whose words may hold $NAME of the lab. No
// shell is between: it would cost as much as what some rows measure.
func Run(line string) Step {
	return func(ctx context.Context, l *Lab) error {
		words := strings.Fields(l.Expand(line))
		return execute(ctx, l.In(ctx, words[0], words[1:]...), line)
	}
}

// Shell makes a step of a script, which ends at its first failure.
func Shell(script string) Step {
	return func(ctx context.Context, l *Lab) error {
		return execute(ctx, l.In(ctx, "sh", "-ec", script), script)
	}
}

// Steps does one after the other.
func Steps(all ...Step) Step {
	return func(ctx context.Context, l *Lab) error {
		for _, do := range all {
			if err := do(ctx, l); err != nil {
				return err
			}
		}
		return nil
	}
}

// execute runs cmd; its error holds the end of what it wrote.
func execute(ctx context.Context, cmd *exec.Cmd, line string) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("it took too long")
	case ctx.Err() != nil:
		err = errors.New("the run was interrupted")
	}
	out = bytes.TrimSpace(out)
	return fmt.Errorf("%s: %w: %s", line, err, out[max(0, len(out)-1000):])
}

// Write makes a step that writes a file below $WORK.
func Write(name, body string) Step {
	return func(_ context.Context, l *Lab) error {
		return os.WriteFile(filepath.Join(l.Work, name), []byte(body), 0o644)
	}
}

// Server is a program that runs beside the rows.
type Server struct {
	cmd  *exec.Cmd
	name string
	log  string
}

// Serve starts a server and waits until its address answers.
func (l *Lab) Serve(name, network, address string, argv ...string) (*Server, error) {
	s := &Server{name: name, log: filepath.Join(l.Work, name+".log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = l.In(context.Background(), argv[0], argv[1:]...) // close ends it, in good order
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	l.servers = append(l.servers, s)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var conn net.Conn
		if conn, err = net.Dial(network, address); err == nil {
			return s, conn.Close()
		}
	}
	said, _ := os.ReadFile(s.log) // only to say more
	return nil, fmt.Errorf("%s does not answer: %w: %s", name, err, said[max(0, len(said)-1000):])
}

// PID is its process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop ends a server, by force if it does not hear.
func (s *Server) Stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // one that ended by itself is fine
	force := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Cancel() })
	defer force.Stop()
	_ = s.cmd.Wait() // how it ends is its own affair
}

// Stop ends the servers of a name, and says how many there have been.
func (l *Lab) Stop(name string) (times int) {
	for _, s := range l.servers {
		if s.name == name {
			s.Stop()
			times++
		}
	}
	return times
}

// PID is the process of the last server of a name; 0 is none.
func (l *Lab) PID(name string) (pid int) {
	for _, s := range l.servers {
		if s.name == name {
			pid = s.PID()
		}
	}
	return pid
}

// Close undoes what outlives the namespaces, control groups above all. What
// else still runs or is mounted ends with them.
func (l *Lab) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	for _, end := range l.ends {
		errs = append(errs, end(ctx, l))
	}
	for _, s := range l.servers {
		s.Stop()
	}
	for _, end := range l.last {
		errs = append(errs, end(ctx, l))
	}
	return errors.Join(errs...)
}

// Version is the first line that a command prints.
func (l *Lab) Version(line string) string {
	words := strings.Fields(l.Expand(line))
	out, err := l.In(context.Background(), words[0], words[1:]...).Output()
	if err != nil {
		return words[0] + " of unknown version"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

// Fine says that a need was asked for, and met.
func (l *Lab) Fine(n Need) bool {
	err, tried := l.prepared[n.Name]
	return tried && err == nil
}
