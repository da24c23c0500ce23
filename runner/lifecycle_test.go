package runner_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/runner"
	"cove/runner/record"
)

func (f *fixture) start(cfg record.Config) *runner.Container {
	f.t.Helper()
	c := f.create(cfg)
	if err := c.Start(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) state(c *runner.Container) record.State {
	f.t.Helper()
	st, err := c.State(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

// eventually waits for something that another process does, which on an emulated machine takes a while.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("did not come about: %s", what)
}

func (f *fixture) exec(c *runner.Container, cfg record.ExecConfig, in string) (string, record.ExitStatus, error) {
	f.t.Helper()
	var out lockedBuffer
	st := runner.Streams{Stdout: &out, Stderr: &out}
	if in != "" {
		st.Stdin = strings.NewReader(in)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	status, err := c.Exec(ctx, cfg, st)
	return out.String(), status, err
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, tt := range map[string]struct {
		args []string
		code int
		kind error
		says string
	}{
		"not found":         {[]string{"nosuch"}, 127, errdefs.ErrNotFound, "nosuch"},
		"not executable":    {[]string{"/etc/passwd"}, 126, errdefs.ErrDenied, "/etc/passwd"},
		"a directory":       {[]string{"/etc"}, 126, errdefs.ErrDenied, "/etc"},
		"quoted with space": {[]string{" /bin/echo"}, 127, errdefs.ErrNotFound, `" /bin/echo"`},
	} {
		cfg := f.config("")
		cfg.Spec.Process.Args = tt.args
		c := f.create(cfg)
		err := c.Start(context.Background())
		start, ok := errors.AsType[*record.StartError](err)
		if !ok || start.Code != tt.code || !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v (%+v)", name, err, start)
		}
		if st := f.state(c); st.Status != record.Created || st.ExitCode != tt.code || st.Error == "" {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestDetachedLife(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done")
	cfg.Name = "db"
	c := f.start(cfg)
	st := f.state(c)
	if st.Status != record.Running || st.Pid == 0 || st.Monitor == 0 {
		t.Fatalf("%+v", st)
	}
	if line, err := os.ReadFile("/proc/" + strconv.Itoa(st.Monitor) + "/cmdline"); err != nil || !strings.Contains(string(line), c.ID()) {
		t.Errorf("monitor's cmdline %q, %v", line, err)
	}
	if err := c.Start(ctx); err != nil {
		t.Errorf("started while it runs: %v", err)
	}
	if s, err := c.StartAttached(ctx); err != nil {
		t.Errorf("attached to while it runs: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Create(ctx, cfg); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("same ID: %v", err)
	}
	other := f.config("true")
	other.Name = "db"
	if _, err := f.Create(ctx, other); !errors.Is(err, errdefs.ErrExists) || !strings.Contains(err.Error(), c.ID()[:12]) {
		t.Errorf("same name: %v", err)
	}
	for _, ref := range []string{"db", c.ID(), c.ID()[:5]} {
		if got, err := f.Get(ctx, ref); err != nil || got.ID() != c.ID() {
			t.Errorf("Get(%q): %v", ref, err)
		}
	}
	if err := c.Rename(ctx, "cache"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(ctx, "db"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("old name: %v", err)
	}
	if err := c.Remove(ctx, false); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("removed while running: %v", err)
	}
	eventually(t, "up is logged", func() bool { return f.logs(c, runner.LogOptions{All: true}) == "up\n" })
	followed := make(chan string)
	go func() { followed <- f.logs(c, runner.LogOptions{All: true, Follow: true}) }()
	waited := make(chan record.ExitStatus)
	go func() { s, _ := c.Wait(ctx); waited <- s }()
	if rows, err := c.Top(ctx, nil); err != nil || len(rows) < 2 || !slices.Contains(rows[0], "PID") {
		t.Errorf("top: %q, %v", rows, err)
	}
	if err := c.Stop(ctx, runner.OwnTimeout); err != nil {
		t.Fatal(err)
	}
	if s := <-waited; s.Code != 9 {
		t.Errorf("waited for %+v", s)
	}
	if got := <-followed; got != "up\nbye\n" {
		t.Errorf("followed %q", got)
	}
	if st := f.state(c); st.Status != record.Exited || st.ExitCode != 9 {
		t.Errorf("%+v", st)
	}
	if err := c.Start(ctx); err != nil {
		t.Errorf("started again: %v", err)
	}
	begun := time.Now()
	if err := c.Stop(ctx, 0); err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("stop: %v after %v", err, time.Since(begun))
	}
	// It is sent both signals at once, and may have seen the first.
	if st := f.state(c); st.ExitCode != 137 && st.ExitCode != 9 {
		t.Errorf("%+v", st)
	}
}

// TestStopTimeouts stops containers that take the signal after a while, or never.
func TestStopTimeouts(t *testing.T) {
	t.Parallel()
	none, ever := time.Duration(0), -time.Second
	const slow, deaf = "trap 'sleep 1; exit 9' TERM; echo up; while :; do sleep 0.05; done", "trap '' TERM; echo up; while :; do sleep 0.05; done"
	for name, tc := range map[string]struct {
		script  string
		own     *time.Duration
		timeout time.Duration
		code    int
	}{
		"its own, 10 s":             {slow, nil, runner.OwnTimeout, 9},
		"its own, none":             {slow, &none, runner.OwnTimeout, 137},
		"its own, for ever":         {slow, &ever, runner.OwnTimeout, 9},
		"none":                      {slow, nil, 0, 137},
		"for ever":                  {slow, &none, -time.Second, 9},
		"some, of one that is deaf": {deaf, &ever, 100 * time.Millisecond, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			cfg := f.config(tc.script)
			cfg.StopTimeout = tc.own
			c := f.start(cfg)
			eventually(t, "up is logged", func() bool { return f.logs(c, runner.LogOptions{All: true}) == "up\n" })
			if err := c.Stop(t.Context(), tc.timeout); err != nil {
				t.Fatal(err)
			}
			if st := f.state(c); st.ExitCode != tc.code {
				t.Errorf("exit code %d, want %d", st.ExitCode, tc.code)
			}
		})
	}
}

func (f *fixture) logs(c *runner.Container, o runner.LogOptions) string {
	var out bytes.Buffer
	if err := c.Logs(context.Background(), o, &out, &out); err != nil {
		f.t.Error(err)
	}
	return out.String()
}

func TestExec(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	c := f.start(f.config("sleep 1000"))
	sh := func(script string) record.ExecConfig {
		return record.ExecConfig{Args: []string{"sh", "-c", script}}
	}
	if out, status, err := f.exec(c, sh("cat; echo $HOME; id -u; exit 4"), "in\n"); err != nil || out != "in\n/root\n0\n" || status.Code != 4 {
		t.Errorf("%q %+v %v", out, status, err)
	}
	cfg := sh("id -u; id -g; pwd; echo $HOME $A")
	cfg.User, cfg.Cwd, cfg.Env = "app", "/tmp", []string{"A=b"}
	if out, _, err := f.exec(c, cfg, ""); err != nil || out != "1001\n1002\n/tmp\n/home/app b\n" {
		t.Errorf("%q %v", out, err)
	}
	for name, cfg := range map[string]record.ExecConfig{
		`working directory /nosuch`:   {Args: []string{"true"}, Cwd: "/nosuch"},
		`working directory /bin/true`: {Args: []string{"true"}, Cwd: "/bin/true"},
		`user "nosuch"`:               {Args: []string{"true"}, User: "nosuch"},
	} {
		_, _, err := f.exec(c, cfg, "")
		if start, ok := errors.AsType[*record.StartError](err); !ok || start.Code != 126 || !strings.Contains(start.Msg, name) {
			t.Errorf("exec with %s: %v, want it named, and code 126", name, err)
		}
	}
	if _, _, err := f.exec(c, record.ExecConfig{Args: []string{"nosuch"}}, ""); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no such program: %v", err)
	} else if start, ok := errors.AsType[*record.StartError](err); !ok || start.Code != 127 {
		t.Errorf("no such program: %v", err)
	}
	cfg = sh("true")
	cfg.User = "nobodyhere"
	if _, _, err := f.exec(c, cfg, ""); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no such user: %v", err)
	}
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	if out, _, err := f.exec(c, sh("cat"), big); err != nil || out != big {
		t.Errorf("%d bytes of %d, %v", len(out), len(big), err)
	}
	// A child in the background holds the pipe, and nobody waits for it.
	if out, _, err := f.exec(c, sh("sleep 50 & echo early"), ""); err != nil || out != "early\n" {
		t.Errorf("%q %v", out, err)
	}
	if _, err := c.Exec(ctx, record.ExecConfig{Args: []string{"sleep", "777"}, Detach: true}, runner.Streams{}); err != nil {
		t.Fatal(err)
	}
	if rows, err := c.Top(ctx, []string{"-o", "pid,args"}); err != nil || !strings.Contains(strings.Join(rows[len(rows)-1], " "), "sleep 777") {
		t.Errorf("%q %v", rows, err)
	}
	cfg = sh("tty; echo $TERM; stty -a | head -1")
	cfg.Terminal = true
	if out, _, err := f.exec(c, cfg, ""); err != nil || !strings.HasPrefix(out, "/dev/pts/0\r\nxterm\r\n") {
		t.Errorf("%q %v", out, err)
	}
	if err := c.Kill(ctx, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.exec(c, sh("true"), ""); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("exec after the end: %v", err)
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("while read line; do echo got $line; done")
	cfg.Terminal, cfg.OpenStdin = true, true
	c := f.start(cfg)
	type end struct {
		in   *io.PipeWriter
		out  *lockedBuffer
		done chan error
	}
	attach := func(keys []byte) end {
		s, err := c.Attach(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r, w := io.Pipe()
		e := end{w, &lockedBuffer{}, make(chan error, 1)}
		go func() {
			_, err := s.Stream(ctx, runner.Streams{Stdin: r, Stdout: e.out, DetachKeys: keys})
			e.done <- err
		}()
		return e
	}
	keys, err := runner.ParseDetachKeys("ctrl-p,ctrl-q")
	if err != nil {
		t.Fatal(err)
	}
	one, two := attach(keys), attach(nil)
	// A third one is attached and never reads.
	stopped, err := c.Attach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close()
	// One after the other, as the terminal may echo the second line within the first answer.
	for _, line := range []struct {
		from end
		text string
	}{{one, "a"}, {two, "b"}} {
		_, _ = io.WriteString(line.from.in, line.text+"\n")
		for _, e := range []end{one, two} {
			eventually(t, "both see "+line.text, func() bool { return strings.Contains(e.out.String(), "got "+line.text+"\r\n") })
		}
	}
	_, _ = io.WriteString(one.in, "\x10\x11")
	if err := <-one.done; !errors.Is(err, runner.ErrDetached) {
		t.Errorf("detached: %v", err)
	}
	_, _ = io.WriteString(two.in, "\x04") // ctrl-d
	if err := <-two.done; err != nil {
		t.Errorf("ended: %v", err)
	}
}

// TestStoppedClient prints more than any buffer holds while one client never
// reads; neither the container nor another client waits for it.
func TestStoppedClient(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("read line; seq 1 200000; echo end")
	cfg.OpenStdin = true
	c := f.start(cfg)
	stopped, err := c.Attach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := c.Attach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	status, err := reader.Stream(ctx, runner.Streams{Stdin: strings.NewReader("go\n"), Stdout: &out})
	if err != nil || status.Code != 0 || !strings.HasSuffix(out.String(), "\n200000\nend\n") {
		t.Errorf("%+v, %v, %d bytes", status, err, out.Len())
	}
	if st := f.state(c); st.Status != record.Exited {
		t.Errorf("%+v", st)
	}
	var late bytes.Buffer
	if _, err := stopped.Stream(ctx, runner.Streams{Stdout: &late}); err != nil || late.String() != out.String() {
		t.Errorf("the stopped client got %d bytes of %d, %v", late.Len(), out.Len(), err)
	}
}

// TestMonitorKilled kills the monitor: its container dies with it, and the
// next look at the state records that.
func TestMonitorKilled(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("sleep 1000")
	c := f.start(cfg)
	waited := make(chan record.ExitStatus, 1)
	go func() { s, _ := c.Wait(ctx); waited <- s }()
	st := f.state(c)
	socket := record.Of(f.root, c.ID()).Socket(filepath.Join(f.root, "run"))
	if _, err := os.Stat(socket); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the container's process dies", func() bool { return errors.Is(unix.Kill(st.Pid, 0), unix.ESRCH) })
	if s := <-waited; s.Code != 255 || s.Error != "monitor killed" {
		t.Errorf("waited for %+v", s)
	}
	after := f.state(c)
	if after.Status != record.Exited || after.ExitCode != 255 || after.Error != "monitor killed" {
		t.Errorf("%+v", after)
	}
	if _, err := os.Stat("/sys/fs/cgroup/pids" + st.Cgroup); err == nil {
		t.Error("its cgroup is left")
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is left: %v", err)
	}
	if err := c.Start(ctx); err != nil {
		t.Errorf("started again: %v", err)
	}
	f.told(c, "create", "start", "die", "start")

	cfg = f.config("sleep 1000")
	cfg.AutoRemove = true
	c = f.start(cfg)
	if err := unix.Kill(f.state(c).Monitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is removed", func() bool {
		_, err := c.State(ctx)
		return errors.Is(err, errdefs.ErrNotFound)
	})
	f.told(c, "create", "start", "die", "destroy")
}

func TestAutoRemove(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("exit 3")
	cfg.AutoRemove, cfg.Name = true, "once"
	for range 2 { // the name is free as soon as the end is told
		cfg.ID = ids.New()
		_, _, status, c := f.run(cfg, "")
		if status.Code != 3 {
			t.Errorf("%+v", status)
		}
		if _, err := c.State(ctx); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("its state: %v", err)
		}
		if _, err := os.Stat(c.Dir()); err == nil {
			t.Error("its directory is left")
		}
	}
}

// TestOneOfManyHasTheName has several make a container of one name at once: nobody who lists
// containers ever sees one but the one that has it.
func TestOneOfManyHasTheName(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	for range 20 {
		var making, looking sync.WaitGroup
		var seen sync.Map
		over := make(chan struct{})
		looking.Go(func() {
			for {
				all, err := f.All(ctx)
				if err != nil {
					t.Error(err)
				}
				for _, c := range all {
					seen.Store(c.ID(), true)
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
		made := make(chan *runner.Container, 6)
		for range cap(made) {
			making.Go(func() {
				cfg := f.config("true")
				cfg.ID, cfg.Name = ids.New(), "wanted"
				c, err := f.Create(ctx, cfg)
				if err == nil {
					made <- c
				} else if !errors.Is(err, errdefs.ErrExists) {
					t.Error(err)
				}
			})
		}
		making.Wait()
		close(over)
		looking.Wait()
		close(made)
		c := <-made
		if second := <-made; c == nil || second != nil {
			t.Fatalf("%v and %v have the name", c, second)
		}
		seen.Range(func(id, _ any) bool {
			if id != c.ID() {
				t.Errorf("%.12s was listed, and %.12s has the name", id, c.ID())
			}
			return true
		})
		if err := c.Remove(ctx, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKillAndPause(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	c := f.start(f.config("trap 'exit 5' USR1; while :; do sleep 0.05; done"))
	if err := c.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if st := f.state(c); st.Status != record.Paused {
		t.Errorf("%+v", st)
	}
	if _, _, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, ""); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("exec in a paused one: %v", err)
	}
	if err := c.Unpause(ctx); err != nil {
		t.Fatal(err)
	}
	// The shell may not have set its trap yet.
	eventually(t, "USR1 ends it", func() bool {
		_ = c.Kill(ctx, syscall.SIGUSR1)
		return f.state(c).Status == record.Exited
	})
	if st := f.state(c); st.ExitCode != 5 && st.ExitCode != 138 {
		t.Errorf("%+v", st)
	}
	if err := c.Kill(ctx, unix.SIGTERM); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("killed after the end: %v", err)
	}
}

func TestBuildRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("cat; echo made > /tmp/made; echo oops >&2; exit 6")
	var out, errs bytes.Buffer
	status, err := f.Run(context.Background(), runner.RunRequest{
		ID: "build-" + cfg.ID[:8], Spec: cfg.Spec, Root: cfg.Root, Network: cfg.Network,
		Stdin: strings.NewReader("from stdin"), Stdout: &out, Stderr: &errs,
	})
	if err != nil || status.Code != 6 || out.String() != "from stdin" || errs.String() != "oops\n" {
		t.Errorf("%+v %v %q %q", status, err, out.String(), errs.String())
	}
	var left []string
	entries, err := os.ReadDir(cfg.Root.Upper)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if strings.Join(left, " ") != "tmp" {
		t.Errorf("the layer holds %q, want tmp alone", left)
	}
}

// TestBuildRunKeepsOrder: what is written to both streams comes to one writer in its order.
func TestBuildRunKeepsOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("for i in $(seq 300); do echo $i; echo $i >&2; done")
	var out, want bytes.Buffer
	for i := range 300 {
		fmt.Fprintf(&want, "%d\n%d\n", i+1, i+1)
	}
	status, err := f.Run(context.Background(), runner.RunRequest{
		ID: "build-" + cfg.ID[:8], Spec: cfg.Spec, Root: cfg.Root, Network: cfg.Network, Stdout: &out, Stderr: &out,
	})
	if err != nil || status.Code != 0 || out.String() != want.String() {
		t.Errorf("%+v %v %q", status, err, out.String())
	}
}

// TestBuildRunAtATerminal: it has the size that is told, and what is typed.
func TestBuildRunAtATerminal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("read line; until [ \"$(stty size)\" = '31 97' ]; do sleep 0.01; done; echo \"<$line>\" $(tty) >&2; exit 6")
	cfg.Spec.Process.Terminal = true
	sizes := make(chan unix.Winsize, 1)
	sizes <- unix.Winsize{Row: 31, Col: 97}
	var out bytes.Buffer
	status, err := f.Run(context.Background(), runner.RunRequest{
		ID: "build-" + cfg.ID[:8], Spec: cfg.Spec, Root: cfg.Root, Network: cfg.Network,
		Stdin: strings.NewReader("typed\n"), Stdout: &out, Sizes: sizes,
	})
	if err != nil || status.Code != 6 || !strings.Contains(out.String(), "<typed> /dev/pts/0\r\n") {
		t.Errorf("%+v %v %q", status, err, out.String())
	}
}

// TestBuildRunCancelled: whether it was starting or running, a cancelled run is
// what errors.Is calls cancelled.
func TestBuildRunCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	run := func(ctx context.Context, out io.Writer) error {
		cfg := f.config("echo up; sleep 1000")
		_, err := f.Run(ctx, runner.RunRequest{ID: "build-" + cfg.ID[:8], Spec: cfg.Spec, Root: cfg.Root, Network: cfg.Network, Stdout: out})
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it started: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	if err := run(ctx, onWrite(cancel)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it ran: %v", err)
	}
}

// onWrite is a writer that calls a function.
type onWrite func()

func (w onWrite) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// TestExecAtTheEnd runs processes in containers that are ending: each works, or
// is told that the container is not running, in these words.
func TestExecAtTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 8 {
		c := f.start(f.config("sleep 1000"))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					_, status, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, "")
					switch {
					case err == nil && (status.Code == 0 || status.Code == 137):
					case errors.Is(err, errdefs.ErrConflict) && strings.HasSuffix(err.Error(), c.String()+" is not running"):
						return
					default:
						t.Errorf("%+v, %v", status, err)
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(i) * 5 * time.Millisecond)
		if err := c.Kill(context.Background(), unix.SIGKILL); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}
