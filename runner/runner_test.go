package runner_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cove/internal/ids"
	"cove/layers/mount"
	"cove/network"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/sandboxtest"
)

// binaries is where cove-runtime is compiled to.
var binaries string

func TestMain(m *testing.M) {
	if os.Getenv(holderVariable) != "" {
		holdStill()
		return
	}
	var err error
	if binaries, err = os.MkdirTemp("", "cove-runtime-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(binaries)
	os.Exit(code)
}

// runtimeBinary is cove-runtime, compiled once for all tests of the package.
var runtimeBinary = sync.OnceValues(func() (string, error) {
	dir := binaries
	path := filepath.Join(dir, "cove-runtime")
	cmd := exec.Command("go", "build", "-o", path, "cove/cmd/cove-runtime")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

type fixture struct {
	*runner.Runner
	t    *testing.T
	root string
	base string // the read-only lower directory
}

// newFixture is a runner on a root of its own, over a tiny root filesystem.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	bin, err := runtimeBinary()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, root: t.TempDir()}
	f.base = filepath.Join(f.root, "base")
	sandboxtest.Root(t, f.base, strings.Fields("sh sleep cat echo true false env ls id hostname kill nc wget head seq dd ps readlink mount trap rm ip ping stty tty")...)
	files := map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n", "etc/group": "root:x:0:\napp:x:1002:\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(f.base, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if f.Runner, err = runner.Open(runner.Options{Root: f.root, RuntimePath: bin}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.clean)
	return f
}

// clean removes all containers and checks that nothing of them is left.
func (f *fixture) clean() {
	ctx := context.Background()
	all, err := f.All(ctx)
	if err != nil {
		f.t.Error(err)
	}
	for _, c := range all {
		if err := c.Remove(ctx, true); err != nil {
			f.t.Errorf("removing %s: %v", c, err)
		}
	}
	if _, err := f.Clean(ctx); err != nil {
		f.t.Error(err)
	}
	f.checkLeaks()
}

// config is a container that runs a shell command.
func (f *fixture) config(script string) record.Config {
	id := ids.New()
	upper, work := filepath.Join(f.root, "up", id), filepath.Join(f.root, "work", id)
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	spec := sandboxtest.Spec()
	spec.Process.Args = []string{"sh", "-c", script}
	spec.Process.Env = []string{"PATH=/bin", "HOME=/root"}
	return record.Config{
		ID: id, Spec: spec, Network: network.Config{Mode: network.None},
		Root: mount.Mount{Type: "overlay", Lower: []string{f.base}, Upper: upper, Work: work},
	}
}

func (f *fixture) create(cfg record.Config) *runner.Container {
	f.t.Helper()
	c, err := f.Create(context.Background(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// run creates, starts and streams a container to its end.
func (f *fixture) run(cfg record.Config, in string) (out, errs string, status record.ExitStatus, c *runner.Container) {
	f.t.Helper()
	c = f.create(cfg)
	s, err := c.StartAttached(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	st := runner.Streams{Stdout: &stdout, Stderr: &stderr}
	if cfg.OpenStdin {
		st.Stdin = strings.NewReader(in)
	}
	status, err = s.Stream(context.Background(), st)
	if err != nil {
		f.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), status, c
}

// checkLeaks looks for what a container may leave on the host.
func (f *fixture) checkLeaks() {
	f.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.t.Fatal(err)
	}
	if strings.Contains(string(mounts), f.root) {
		f.t.Error("a mount is left")
	}
	// A monitor may still be on its way out.
	eventually(f.t, "no process is left", func() bool {
		cmdlines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			f.t.Fatal(err)
		}
		return !slices.ContainsFunc(cmdlines, func(path string) bool {
			line, err := os.ReadFile(path)
			return err == nil && bytes.Contains(line, []byte(f.root))
		})
	})
}

func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("cat; echo $$ >&2; hostname; exit 3")
	cfg.OpenStdin = true
	out, errs, status, c := f.run(cfg, "some input\n")
	if want := "some input\n" + c.ID()[:12] + "\n"; out != want || errs != "1\n" || status.Code != 3 {
		t.Errorf("%q %q %+v", out, errs, status)
	}
	st, err := c.State(context.Background())
	if err != nil || st.Status != record.Exited || st.ExitCode != 3 || st.Pid != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
