package runner_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/network"
	"cove/network/publish"
	"cove/runner"
	"cove/runner/record"
	"cove/volume"
)

// orphan starts a container, kills its monitor and waits until its processes are
// gone. Nobody has looked at it since.
func (f *fixture) orphan(cfg record.Config) *runner.Container {
	f.t.Helper()
	c := f.start(cfg)
	st := f.state(c)
	if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, "its processes die with it", func() bool {
		return !process.Running(st.Pid) && !process.Running(st.Monitor)
	})
	return c
}

func published(port uint16, proto string) network.Config {
	return network.Config{Ports: []publish.Port{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: port, ContainerPort: 80, Proto: proto}}}
}

// serving answers on port 80 with its hostname.
const serving = "while :; do echo from $(hostname) | nc -l -p 80 -w 1; done"

// TestTakesOverFromTheDead starts containers that want what an orphan still
// holds, before anything has asked for the orphan itself.
func TestTakesOverFromTheDead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for proto, port := range map[string]uint16{"tcp": 18473, "udp": 18474} {
		f := newFixture(t)
		cfg := f.config("sleep 1000")
		cfg.Network = published(port, proto)
		dead := f.orphan(cfg)
		next := f.config(serving)
		next.Network = published(port, proto)
		c := f.start(next)
		if st := f.state(dead); st.Status != record.Exited || st.ExitCode != 255 || len(st.Network.Ports) != 0 || st.Network.IP.IsValid() {
			t.Errorf("%s: the dead one: %+v", proto, st)
		}
		// Cleaning up after the dead must not take the port from who has it now.
		if proto == "tcp" {
			eventually(t, "the port answers", func() bool { return ask(fmt.Sprintf("127.0.0.1:%d", port)) == "from "+c.ID()[:12] })
		}
		if err := errors.Join(dead.Remove(ctx, false), c.Remove(ctx, true)); err != nil {
			t.Error(err)
		}
	}
}

// TestNameOfTheDead gives a new container the name of an AutoRemove one whose
// monitor was killed, and finds that one gone with its volume.
func TestNameOfTheDead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	volumes := volume.Open(f.root)
	shared, err := volumes.Create(ctx, volume.Wanted{Name: ""}, nil)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := volumes.Create(ctx, volume.Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	named, err := volumes.Create(ctx, volume.Wanted{}, nil) // by nobody once; this container was told its name
	if err != nil {
		t.Fatal(err)
	}
	user := f.config("true")
	user.Mounts = []record.Mounted{{Name: shared.Name}}
	f.create(user)
	cfg := f.config("sleep 1000")
	cfg.Name, cfg.AutoRemove = "once", true
	cfg.Mounts = []record.Mounted{
		{Name: alone.Name, Anonymous: true}, {Name: shared.Name, Anonymous: true}, {Name: named.Name},
	}
	dead := f.orphan(cfg)
	again := f.config("true")
	again.Name = "once"
	f.create(again)
	if _, err := f.Get(ctx, dead.ID()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the dead one: %v", err)
	}
	if _, err := volumes.Get(alone.Name); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("its volume: %v", err)
	}
	for _, kept := range []string{shared.Name, named.Name} {
		if _, err := volumes.Get(kept); err != nil {
			t.Errorf("the volume that another container has, or that it was given by name: %v", err)
		}
	}
}

// TestEveryVerbReconciles asks for an orphan by each verb as the first that does.
func TestEveryVerbReconciles(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	verbs := map[string]struct {
		do   func(*fixture, *runner.Container) error
		want error // of a container that has ended, nil for success
	}{
		"get": {func(f *fixture, c *runner.Container) error { _, err := f.Get(ctx, c.ID()); return err }, nil},
		"wait": {func(_ *fixture, c *runner.Container) error {
			s, err := c.Wait(ctx)
			if err == nil && s.Code != 255 {
				err = fmt.Errorf("waited for %+v", s)
			}
			return err
		}, nil},
		"start":   {func(_ *fixture, c *runner.Container) error { return c.Start(ctx) }, nil},
		"restart": {func(_ *fixture, c *runner.Container) error { return c.Restart(ctx, 0) }, nil},
		"stop":    {func(_ *fixture, c *runner.Container) error { return c.Stop(ctx, 0) }, nil},
		"kill":    {func(_ *fixture, c *runner.Container) error { return c.Kill(ctx, unix.SIGKILL) }, errdefs.ErrConflict},
		"pause":   {func(_ *fixture, c *runner.Container) error { return c.Pause(ctx) }, errdefs.ErrConflict},
		"unpause": {func(_ *fixture, c *runner.Container) error { return c.Unpause(ctx) }, errdefs.ErrConflict},
		"attach":  {func(_ *fixture, c *runner.Container) error { _, err := c.Attach(ctx); return err }, errdefs.ErrConflict},
		"exec": {func(f *fixture, c *runner.Container) error {
			_, _, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, "")
			return err
		}, errdefs.ErrConflict},
		"stats":  {func(_ *fixture, c *runner.Container) error { _, err := c.Stats(ctx); return err }, errdefs.ErrConflict},
		"top":    {func(_ *fixture, c *runner.Container) error { _, err := c.Top(ctx, nil); return err }, errdefs.ErrConflict},
		"rename": {func(_ *fixture, c *runner.Container) error { return c.Rename(ctx, "another-name") }, nil},
		"remove": {func(_ *fixture, c *runner.Container) error { return c.Remove(ctx, false) }, nil},
		"logs -f": {func(_ *fixture, c *runner.Container) error {
			return c.Logs(ctx, runner.LogOptions{Follow: true}, nil, nil)
		}, nil},
		"clean": {func(f *fixture, _ *runner.Container) error { _, err := f.Clean(ctx); return err }, nil},
	}
	for name, verb := range verbs {
		for _, autoRemove := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/rm=%v", name, autoRemove), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				cfg := f.config("sleep 1000")
				cfg.AutoRemove = autoRemove
				c := f.orphan(cfg)
				err := verb.do(f, c)
				if autoRemove {
					gone := errors.Is(err, errdefs.ErrNotFound)
					if told := name == "wait" || name == "clean" || name == "logs -f"; !gone && !told {
						t.Errorf("%v, want not found", err)
					}
					if _, err := c.State(ctx); !errors.Is(err, errdefs.ErrNotFound) {
						t.Errorf("its state: %v", err)
					}
				} else if (verb.want == nil) != (err == nil) || verb.want != nil && !errors.Is(err, verb.want) {
					t.Errorf("%v, want %v", err, verb.want)
				}
				if st, err := record.Of(f.root, c.ID()).State(); err == nil && name != "start" && name != "restart" && st.Status != record.Exited {
					t.Errorf("afterwards: %+v", st)
				}
				if _, err := os.Stat("/sys/fs/cgroup/pids/cove/" + c.ID()); err == nil && name != "start" && name != "restart" {
					t.Error("its cgroup is left")
				}
			})
		}
	}
}

// TestReconciledByMany looks at one orphan from eight sides at once: all see it
// ended, none while another still cleans up after it.
func TestReconciledByMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.orphan(f.config("sleep 1000"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if st, err := c.State(context.Background()); err != nil || st.Status != record.Exited || st.ExitCode != 255 {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
	wg.Wait()
}

// TestRemovedByMany: whoever asks for what another does at the same time is told that it
// is done, and a verb that comes too late that there is no such container.
func TestRemovedByMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.start(f.config("sleep 1000"))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := c.Remove(context.Background(), true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	err := c.Remove(t.Context(), false)
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.HasPrefix(err.Error(), "No such container: ") {
		t.Errorf("a second removal: %v", err)
	}
}

// TestAfterAReboot finds states of another boot: running, paused, and of one
// that is to be removed with its end.
func TestAfterAReboot(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	before := func(status record.Status, cfg record.Config) *runner.Container {
		c := f.create(cfg)
		dir := record.Of(f.root, c.ID())
		st := record.State{
			Status: record.Running, Pid: os.Getpid(), Monitor: os.Getpid(), StartedAt: time.Now(),
			BootID: "00000000-0000-4000-8000-000000000000", Cgroup: "/cove/" + c.ID(),
			Network: network.State{IP: netip.MustParsePrefix("10.0.0.2/24")},
		}
		if err := errors.Join(dir.SetState(st, false), dir.SetMark(record.PausedMark, status == record.Paused)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, status := range []record.Status{record.Running, record.Paused} {
		c := before(status, f.config("true"))
		if st := f.state(c); st.Status != record.Exited || st.ExitCode != 255 || st.Pid != 0 || st.Network.IP.IsValid() || !strings.Contains(st.Error, "restarted") {
			t.Errorf("%s before: %+v", status, st)
		}
		if err := c.Start(ctx); err != nil {
			t.Errorf("%s before: started again: %v", status, err)
		}
	}
	cfg := f.config("true")
	cfg.AutoRemove = true
	if c := before(record.Running, cfg); c != nil {
		if _, err := f.Get(ctx, c.ID()); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("AutoRemove: %v", err)
		}
	}
}

// TestHungMonitor stops a monitor and uses each verb: it ends within seconds,
// by doing without the monitor or by naming it.
func TestHungMonitor(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	exec := func(f *fixture, c *runner.Container) error {
		_, _, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, "")
		return err
	}
	verbs := map[string]struct {
		do    func(*fixture, *runner.Container) error
		named bool
	}{
		"exec":   {exec, true},
		"attach": {func(_ *fixture, c *runner.Container) error { _, err := c.Attach(ctx); return err }, true},
		"wait":   {func(_ *fixture, c *runner.Container) error { _, err := c.Wait(ctx); return err }, true},
		"logs -f": {func(_ *fixture, c *runner.Container) error {
			return c.Logs(ctx, runner.LogOptions{Follow: true}, nil, nil)
		}, true},
		"logs":    {func(_ *fixture, c *runner.Container) error { return c.Logs(ctx, runner.LogOptions{}, nil, nil) }, false},
		"get":     {func(f *fixture, c *runner.Container) error { _, err := f.Get(ctx, c.ID()); return err }, false},
		"stats":   {func(_ *fixture, c *runner.Container) error { _, err := c.Stats(ctx); return err }, false},
		"top":     {func(_ *fixture, c *runner.Container) error { _, err := c.Top(ctx, nil); return err }, false},
		"pause":   {func(_ *fixture, c *runner.Container) error { return errors.Join(c.Pause(ctx), c.Unpause(ctx)) }, false},
		"kill":    {func(_ *fixture, c *runner.Container) error { return c.Kill(ctx, unix.SIGKILL) }, false},
		"stop":    {func(_ *fixture, c *runner.Container) error { return c.Stop(ctx, 10*time.Millisecond) }, false},
		"restart": {func(_ *fixture, c *runner.Container) error { return c.Restart(ctx, 10*time.Millisecond) }, false},
		"rm -f":   {func(_ *fixture, c *runner.Container) error { return c.Remove(ctx, true) }, false},
	}
	for name, verb := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.start(f.config("sleep 1000"))
			monitor := f.state(c).Monitor
			if err := unix.Kill(monitor, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is stopped", func() bool { return process.Stopped(monitor) })
			done := make(chan error, 1)
			go func() { done <- verb.do(f, c) }()
			select {
			case err := <-done:
				named := errors.Is(err, errdefs.ErrUnavailable) && strings.Contains(err.Error(), fmt.Sprintf("process %d, is stopped", monitor))
				if verb.named != named || !verb.named && err != nil {
					t.Errorf("%v, want the monitor named: %v", err, verb.named)
				}
			case <-time.After(time.Minute):
				t.Error("it waits without end")
			}
		})
	}
}

// TestHungStart stops a monitor before it has started anything.
func TestHungStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	script := filepath.Join(f.root, "stops-itself")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nkill -STOP $$\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	hung, err := runner.Open(runner.Options{Root: f.root, RuntimePath: script})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hung.Create(context.Background(), f.config("true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(context.Background()); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "is stopped") {
		t.Errorf("%v, want that it is stopped", err)
	}
}

// TestKillReturnsAfterTheEnd ends a container that publishes a port by each verb
// that does, and starts it, or another on that port, at once.
func TestKillReturnsAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config(serving)
	cfg.Network = published(18475, "tcp")
	cfg.Network.Ports = append(cfg.Network.Ports, published(18475, "udp").Ports...)
	c := f.start(cfg)
	other := f.config("sleep 1000")
	other.Network = cfg.Network
	o := f.create(other)
	ends := map[string]func() error{
		"kill":    func() error { return c.Kill(ctx, unix.SIGKILL) },
		"stop":    func() error { return c.Stop(ctx, 0) },
		"restart": func() error { return errors.Join(c.Restart(ctx, 0), c.Kill(ctx, unix.SIGKILL)) },
		"pause":   func() error { return errors.Join(c.Pause(ctx), c.Kill(ctx, unix.SIGKILL)) },
	}
	for name, end := range ends {
		for range 3 {
			if err := end(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if st := f.state(c); st.Status != record.Exited || st.ExitCode != 137 {
				t.Errorf("after %s: %+v", name, st)
			}
			if err := errors.Join(o.Start(ctx), o.Kill(ctx, unix.SIGKILL), c.Start(ctx)); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
			if st := f.state(c); st.Status != record.Running {
				t.Errorf("after %s and start: %+v", name, st)
			}
		}
	}
	// Its lease is its own, not what the monitor before it left behind.
	eventually(t, "the port answers", func() bool { return ask("127.0.0.1:18475") == "from "+c.ID()[:12] })
}

// TestKillBySignal sends what ends a process by default. The first process of a
// pid namespace is spared; any other has ended when Kill returns.
func TestKillBySignal(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	spared := f.start(f.config("exec sleep 1000"))
	if err := spared.Kill(ctx, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st := f.state(spared); st.Status != record.Running {
		t.Errorf("the first process of its namespace: %+v", st)
	}
	cfg := f.config("exec sleep 1000")
	for i, ns := range cfg.Spec.Linux.Namespaces {
		if ns.Type == "pid" {
			cfg.Spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/pid", f.state(spared).Pid)
		}
	}
	for range 3 {
		cfg.ID = ids.New()
		next := f.config("exec sleep 1000")
		next.Spec = cfg.Spec
		c := f.start(next)
		if err := c.Kill(ctx, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if st := f.state(c); st.Status != record.Exited || st.ExitCode != 143 {
			t.Errorf("%+v", st)
		}
	}
}

// TestCleanHalves makes what kills leave in the middle of a verb: Clean removes
// it, and nothing of what is under way.
func TestCleanHalves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	c := f.start(f.config("sleep 1000"))
	containers, gone, coming := filepath.Join(f.root, "containers"), ids.New(), ids.New()
	left := []string{
		filepath.Join(f.root, "run", "run-1.0-build-x", "hosts"),
		filepath.Join(f.root, "run", "run-123", "hosts"), // of an older version
		filepath.Join(containers, ".creating-1.0-"+gone, "config.json"),
		filepath.Join(containers, ".removing-"+gone, "config.json"),
		filepath.Join(containers, ".names", "nobodys"),
		filepath.Join(containers, ".names", "nobodys."+gone),
		filepath.Join(f.root, "run", "containers", gone+".sock"),
		filepath.Join(f.root, "volumes", ".making-1.0-x", "_data"),
	}
	stays := []string{
		filepath.Join(f.root, "run", "run-"+process.Tag()+"-build-y", "hosts"),
		filepath.Join(containers, ".creating-"+process.Tag()+"-"+coming, "config.json"),
		filepath.Join(containers, ".names", "coming"),
		filepath.Join(containers, ".names", c.Name()),
		filepath.Join(f.root, "run", "containers", c.ID()+".sock"),
	}
	for _, name := range append(left, stays[:3]...) {
		id := gone
		if filepath.Base(name) == "coming" { // the name that one on its way has already
			id = coming
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(id), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := f.Clean(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is left of %v", name, removed)
		}
	}
	for _, name := range stays {
		if _, err := os.Lstat(name); err != nil {
			t.Errorf("%v; removed %v", err, removed)
		}
	}
	again := f.config("true")
	again.Name = "nobodys"
	f.create(again)
}
