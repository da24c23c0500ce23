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

	"cove/bench/machine"
)

// testbed is where the engines live during a run: their state, their servers, and
// the variables that rows name in command lines.
type testbed struct {
	work     string            // state, also $WORK
	where    string            // what kind of place work is
	vars     map[string]string // also the environment of every command
	prepared map[string]error  // how each need went
	servers  []*server
	ends     []step
	target   *server // what was pushed to last
	targets  int
}

// step is a piece of work in a testbed.
type step func(ctx context.Context, tb *testbed) error

// need is what several rows rest on. A testbed does it once, when the first of them
// asks; when it failed then it stays failed.
type need struct {
	name string
	do   step
}

const (
	needLimit  = 5 * time.Minute
	closeLimit = 30 * time.Second
)

// prepare does what the needs ask for and was not done yet.
func (tb *testbed) prepare(ctx context.Context, needs ...need) error {
	for _, n := range needs {
		err, tried := tb.prepared[n.name]
		if !tried {
			limited, cancel := context.WithTimeout(ctx, needLimit)
			err = n.do(limited, tb)
			cancel()
			tb.prepared[n.name] = err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	return nil
}

// newTestbed prepares the namespaces. It runs inside them.
func newTestbed(ctx context.Context, onDisk bool) (*testbed, error) {
	tb := &testbed{work: workDir, vars: map[string]string{"WORK": workDir}, prepared: map[string]error{}}
	dirs := map[string]string{"BIN": "bin", "CACHE": cacheDir, "DISK": diskDir, "TOOLS": ".cache/tools"}
	for name, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		tb.vars[name] = path
	}
	for name, value := range peerVariables {
		tb.vars[name] = tb.expand(value)
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
		if err := do(ctx, tb); err != nil {
			return nil, err
		}
	}
	return tb, nil
}

// mountWork puts a file system in memory where the state goes, if there is room
// for all engines at once: what a disk adds is the same for all and hides them.
func mountWork(onDisk bool) step {
	return func(ctx context.Context, tb *testbed) error {
		if free := machine.Memory("MemAvailable"); !onDisk && free > 17<<30 {
			tb.where = "a file system in memory"
			return run(fmt.Sprintf("mount -t tmpfs -o mode=755,size=%d tmpfs $WORK", free-(3<<30)))(ctx, tb)
		}
		tb.where = "the disk"
		return shell("mkdir $DISK/work; mount --bind $DISK/work $WORK")(ctx, tb)
	}
}

func (tb *testbed) expand(line string) string {
	return os.Expand(line, func(name string) string { return tb.vars[name] })
}

// in makes a command of a line with the testbed's variables. It dies with all that
// it started when ctx ends.
func (tb *testbed) in(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = os.Environ()
	for k, v := range tb.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run makes a step of one command, whose words may hold $NAME of the testbed. No
// shell is between: it would cost as much as what some rows measure.
func run(line string) step {
	return func(ctx context.Context, tb *testbed) error {
		words := strings.Fields(tb.expand(line))
		return execute(ctx, tb.in(ctx, words[0], words[1:]...), line)
	}
}

// shell makes a step of a script, which ends at its first failure.
func shell(script string) step {
	return func(ctx context.Context, tb *testbed) error {
		return execute(ctx, tb.in(ctx, "sh", "-ec", script), script)
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
	return func(_ context.Context, tb *testbed) error {
		return os.WriteFile(filepath.Join(tb.work, name), []byte(body), 0o644)
	}
}

// server is a program that runs beside the rows.
type server struct {
	cmd  *exec.Cmd
	name string
	log  string
}

// serve starts a server and waits until its address answers.
func (tb *testbed) serve(name, network, address string, argv ...string) (*server, error) {
	s := &server{name: name, log: filepath.Join(tb.work, name+".log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = tb.in(context.Background(), argv[0], argv[1:]...) // close ends it, in good order
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	tb.servers = append(tb.servers, s)
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
func (tb *testbed) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	for _, end := range tb.ends {
		errs = append(errs, end(ctx, tb))
	}
	for _, s := range tb.servers {
		s.stop()
	}
	return errors.Join(append(errs, shell(removeGroups)(ctx, tb))...)
}
