package main

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
)

// lab is where the engines live during a run: their state, their servers, and
// the variables that rows name in command lines.
type lab struct {
	work    string            // state, also $WORK
	where   string            // what kind of place work is
	vars    map[string]string // also the environment of every command
	met     map[string]error  // how the needs went
	servers []*server
	ends    []step
	target  *server // what was pushed to last
	targets int
}

// step is a piece of work in a lab.
type step func(ctx context.Context, l *lab) error

// need is what several rows rest on. A lab does it once, when the first of them
// asks; when it failed then it stays failed.
type need struct {
	name string
	do   step
}

const (
	needLimit  = 5 * time.Minute
	closeLimit = 30 * time.Second
)

// meet does what was not done yet.
func (l *lab) meet(ctx context.Context, needs ...need) error {
	for _, n := range needs {
		err, tried := l.met[n.name]
		if !tried {
			limited, cancel := context.WithTimeout(ctx, needLimit)
			err = n.do(limited, l)
			cancel()
			l.met[n.name] = err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	return nil
}

// newLab prepares the namespaces. It runs inside them.
func newLab(ctx context.Context, onDisk bool) (*lab, error) {
	l := &lab{work: workDir, vars: map[string]string{"WORK": workDir}, met: map[string]error{}}
	for name, dir := range map[string]string{"BIN": "bin", "CACHE": cacheDir, "DISK": diskDir} {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		l.vars[name] = path
	}
	for name, value := range peerVariables {
		l.vars[name] = l.expand(value)
	}
	for _, do := range []step{
		mountWork(onDisk),
		// Their lock files and addresses go with the namespace, and crun takes a
		// hybrid of both kinds of control groups for the second kind.
		shell(`mount -t tmpfs tmpfs /run; mkdir -p /run/lock /var/lib/cni; mount -t tmpfs tmpfs /var/lib/cni
			! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
			ip link set lo up`),
		write("podman.conf", podmanConf), write("docker.json", dockerConf),
	} {
		if err := do(ctx, l); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// mountWork puts a file system in memory where the state goes, if there is room
// for all engines at once: what a disk adds is the same for all and hides them.
func mountWork(onDisk bool) step {
	return func(ctx context.Context, l *lab) error {
		if free := memory("MemAvailable"); !onDisk && free > 17<<30 {
			l.where = "a file system in memory"
			return run(fmt.Sprintf("mount -t tmpfs -o mode=755,size=%d tmpfs $WORK", free-(3<<30)))(ctx, l)
		}
		l.where = "the disk"
		return shell("mkdir $DISK/work; mount --bind $DISK/work $WORK")(ctx, l)
	}
}

func (l *lab) expand(line string) string {
	return os.Expand(line, func(name string) string { return l.vars[name] })
}

// in makes a command of a line with the lab's variables. It dies with all that
// it started when ctx ends.
func (l *lab) in(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = os.Environ()
	for k, v := range l.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run makes a step of one command, whose words may hold $NAME of the lab. No
// shell is between: it would cost as much as what some rows measure.
func run(line string) step {
	return func(ctx context.Context, l *lab) error {
		words := strings.Fields(l.expand(line))
		return execute(ctx, l.in(ctx, words[0], words[1:]...), line)
	}
}

// shell makes a step of a script, which ends at its first failure.
func shell(script string) step {
	return func(ctx context.Context, l *lab) error {
		return execute(ctx, l.in(ctx, "sh", "-ec", script), script)
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

func write(name, body string) step {
	return func(_ context.Context, l *lab) error {
		return os.WriteFile(filepath.Join(l.work, name), []byte(body), 0o644)
	}
}

// server is a program that runs beside the rows.
type server struct {
	cmd  *exec.Cmd
	name string
	log  string
}

// serve starts a server and waits until its address answers.
func (l *lab) serve(name, network, address string, argv ...string) (*server, error) {
	s := &server{name: name, log: filepath.Join(l.work, name+".log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = l.in(context.Background(), argv[0], argv[1:]...) // close ends it, in good order
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

// stop ends a server, by force if it does not hear.
func (s *server) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // one that ended by itself is fine
	force := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Cancel() })
	defer force.Stop()
	_ = s.cmd.Wait() // how it ends is its own affair
}

// removeGroups removes the control groups that the peers keep above those of
// their containers; one that somebody else still uses is not empty and stays.
const removeGroups = `for c in /sys/fs/cgroup/*; do for d in docker buildkit libpod_parent/conmon libpod_parent; do rmdir $c/$d 2>/dev/null || true; done; done`

// close undoes what outlives the namespaces, control groups above all. What
// else still runs or is mounted ends with them.
func (l *lab) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	for _, end := range l.ends {
		errs = append(errs, end(ctx, l))
	}
	for _, s := range l.servers {
		s.stop()
	}
	return errors.Join(append(errs, shell(removeGroups)(ctx, l))...)
}
