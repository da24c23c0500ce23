package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/content"
	"cove/distribution/client/credentials"
	"cove/engine/builds/changes"
	"cove/engine/config"
	"cove/engine/containers"
	engineimages "cove/engine/images"
	"cove/engine/listing"
	"cove/engine/parts"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
)

// runtimeBinary builds cove-runtime once for all tests of the package.
var runtimeBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cove-engine-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cove-runtime")
	build := exec.Command("go", "build", "-o", path, "cove/cmd/cove-runtime")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // static: it runs inside of containers too
	out, err := build.CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := runtimeBinary(); err == nil && os.Geteuid() == 0 {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// needBusybox returns a static busybox, or skips.
func needBusybox(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: containers are made")
	}
	const path = "/bin/busybox"
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs busybox-static: /bin/busybox is missing")
	}
	return path
}

// newEngine returns an engine on a fresh root with the image busybox.
func newEngine(t *testing.T) *Engine {
	t.Helper()
	busybox := needBusybox(t)
	runtime, err := runtimeBinary()
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(Config{Root: t.TempDir(), RuntimePath: runtime, Changes: changes.Read})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, err := e.Containers(context.Background(), listing.Filter{})
		if err != nil {
			t.Error(err)
		}
		for _, c := range all {
			if err := e.Remove(context.Background(), c.ID, true, true); err != nil {
				t.Error(err)
			}
		}
	})
	_, err = e.Import(t.Context(), baseTar(t, busybox), engineimages.ImportOptions{
		Name: "busybox", Changes: []string{`CMD ["sh"]`, "ENV FROM_IMAGE=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// baseTar is a tar with busybox, its applets, and two accounts.
func baseTar(t *testing.T, busybox string) io.Reader {
	t.Helper()
	bin, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h *tar.Header, body []byte) {
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin/", "etc/", "root/", "data/"} {
		put(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	put(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	put(&tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, bin)
	for _, applet := range []string{
		"sh", "true", "false", "cat", "echo", "env", "id", "sleep", "ls", "pwd", "hostname", "touch", "kill", "stat", "mkdir", "rm",
		"readlink", "ps", "mknod", "dd", "head", "wc", "test", "grep",
	} {
		put(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	put(&tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"))
	put(&tar.Header{Name: "etc/group", Mode: 0o644}, []byte("root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n"))
	put(&tar.Header{Name: "data/seed", Mode: 0o644}, []byte("from the image\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// run runs a command in a new container and returns what it wrote.
func run(t *testing.T, e *Engine, o runspec.Options, command ...string) (string, record.ExitStatus, error) {
	t.Helper()
	var out bytes.Buffer
	o.Image, o.Command = "busybox", command
	if o.Network == "" {
		o.Network = "none"
	}
	_, status, err := e.Run(t.Context(), containers.RunOptions{
		CreateOptions: containers.CreateOptions{Options: o, AutoRemove: true},
		Streams: func(containers.Attached) (containers.Streams, error) {
			return containers.Streams{Stdout: &out, Stderr: &out}, nil
		},
	})
	return out.String(), status, err
}

// made is Create, and the handle of what it made.
func made(ctx context.Context, e *Engine, o containers.CreateOptions) (*runner.Container, error) {
	id, err := e.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	return e.Container(ctx, id)
}

func TestRun(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, tc := range []struct {
		name    string
		o       runspec.Options
		command []string
		want    string // what the output holds
		code    int
	}{
		{"output", runspec.Options{}, []string{"echo", "hello"}, "hello\n", 0},
		{"exit code", runspec.Options{}, []string{"sh", "-c", "exit 3"}, "", 3},
		{"signal", runspec.Options{}, []string{"sh", "-c", "sh -c 'kill -9 $$'; exit $?"}, "", 137},
		{"image's environment", runspec.Options{}, []string{"env"}, "FROM_IMAGE=1\n", 0},
		{"own environment", runspec.Options{Env: []string{"FROM_IMAGE=2"}}, []string{"env"}, "FROM_IMAGE=2\n", 0},
		{"home of the user", runspec.Options{User: "alice"}, []string{"env"}, "HOME=/home/alice\n", 0},
		{"groups of the user", runspec.Options{User: "alice"}, []string{"id"}, "uid=1000(alice) gid=1000(alice) groups=10(wheel)", 0},
		{"numeric user", runspec.Options{User: "5:6"}, []string{"id"}, "uid=5 gid=6", 0},
		{"working directory", runspec.Options{Workdir: "/tmp/new"}, []string{"pwd"}, "/tmp/new\n", 0},
		{"host name", runspec.Options{Hostname: "box"}, []string{"hostname"}, "box\n", 0},
		{"entrypoint", runspec.Options{Entrypoint: []string{"echo", "-n"}}, []string{"x"}, "x", 0},
		{"read-only root", runspec.Options{ReadOnly: true}, []string{"touch", "/x"}, "Read-only file system", 1},
		{"tmpfs", runspec.Options{ReadOnly: true, Tmpfs: []record.Tmpfs{{Target: "/scratch"}}}, []string{"touch", "/scratch/x"}, "", 0},
		{"no mount rights", runspec.Options{}, []string{"sh", "-c", "busybox mount -t tmpfs x /tmp"}, "permission denied", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out, status, err := run(t, e, tc.o, tc.command...)
			if err != nil {
				t.Fatal(err)
			}
			if status.Code != tc.code || !strings.Contains(out, tc.want) {
				t.Errorf("got exit code %d and %q, want %d and %q", status.Code, out, tc.code, tc.want)
			}
		})
	}
}

func TestRunThatCannotStartLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, tc := range []struct {
		name    string
		o       runspec.Options
		command []string
		code    int   // of a record.StartError
		kind    error // or of an error before
	}{
		{"missing program", runspec.Options{}, []string{"nosuch"}, 127, nil},
		{"not executable", runspec.Options{}, []string{"/etc/passwd"}, 126, nil},
		{"missing user", runspec.Options{User: "bob"}, []string{"true"}, 0, errdefs.ErrNotFound},
		{"unknown network", runspec.Options{Network: "lan"}, []string{"true"}, 0, errdefs.ErrNotFound},
		{"unknown capability", runspec.Options{Security: record.Security{CapAdd: []string{"FLY"}}}, []string{"true"}, 0, errdefs.ErrInvalid},
		{"broken seccomp profile", runspec.Options{Security: record.Security{Seccomp: "{"}}, []string{"true"}, 0, errdefs.ErrInvalid},
	} {
		_, _, err := run(t, e, tc.o, tc.command...)
		var start *record.StartError
		switch {
		case tc.kind != nil && !errors.Is(err, tc.kind):
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.kind)
		case tc.kind == nil && (!errors.As(err, &start) || start.Code != tc.code):
			t.Errorf("%s: got %v, want a containers.StartError of code %d", tc.name, err, tc.code)
		}
	}
	all, err := e.Containers(t.Context(), listing.Filter{})
	if err != nil || len(all) > 0 {
		t.Errorf("containers are left: %v, %v", all, err)
	}
	if keys := containerSnapshots(t, e); len(keys) > 0 {
		t.Errorf("snapshots are left: %v", keys)
	}
}

func containerSnapshots(t *testing.T, e *Engine) []string {
	t.Helper()
	snaps, err := e.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for info, err := range snaps.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(info.Key, "container/") {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func TestMissingImageIsNamed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for platform, kind := range map[string]error{"linux/arm64": errdefs.ErrNotFound, "linux/abacus": errdefs.ErrInvalid} {
		o := containers.CreateOptions{Options: runspec.Options{Image: "busybox"}, Pull: containers.PullNever, Platform: platform}
		if _, err := e.Create(t.Context(), o); !errors.Is(err, kind) || !strings.Contains(err.Error(), platform[6:]) {
			t.Errorf("platform %s: %v", platform, err)
		}
	}
	_, err := e.Create(t.Context(), containers.CreateOptions{Options: runspec.Options{Image: "nosuch"}, Pull: containers.PullNever})
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("got %v", err)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	o := runspec.Options{
		Image: "busybox", Command: []string{"sh", "-c", "echo started; exec sleep 1000"}, Network: "none",
		Labels: map[string]string{"team": "x"}, Resources: record.Resources{Memory: 64 << 20, PidsLimit: 50},
	}
	id, _, err := e.Run(ctx, containers.RunOptions{CreateOptions: containers.CreateOptions{Options: o, Name: "db"}, Detach: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Container(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(ctx, containers.CreateOptions{Options: o, Name: "db"}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a name in use: got %v, want ErrExists", err)
	}
	list, err := e.Containers(ctx, listing.Filter{Running: true, Terms: map[string][]string{"label": {"team=x"}}})
	if err != nil || len(list) != 1 || list[0].Name != "db" || list[0].Command != "sh -c echo started; exec sleep 1000" {
		t.Fatalf("ps: %+v, %v", list, err)
	}
	got, err := e.InspectContainer(ctx, c.ID()[:8])
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "/db" || !got.State.Running || got.State.Pid <= 0 || got.HostConfig.Memory != 64<<20 || *got.HostConfig.PidsLimit != 50 ||
		got.Config.Labels["team"] != "x" || got.GraphDriver.Data["UpperDir"] == "" && got.Driver == parts.DriverOverlay {
		t.Errorf("inspect: %+v", got)
	}
	for _, path := range []string{got.ResolvConfPath, got.HostsPath, got.HostnamePath, got.LogPath, got.GraphDriver.Data["MergedDir"]} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("inspect names a file that is not there: %v", err)
		}
	}
	if _, err := e.RemoveImage(ctx, "busybox", false); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "db") {
		t.Errorf("removing an image in use: got %v, want ErrConflict naming db", err)
	}
	if err := e.Remove(ctx, "db", false, false); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("removing a running container: got %v, want ErrConflict", err)
	}
	if err := c.Stop(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(ctx, "db", false, false); err != nil {
		t.Fatal(err)
	}
	if keys := containerSnapshots(t, e); len(keys) > 0 {
		t.Errorf("snapshots are left: %v", keys)
	}
}

func TestPruneKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	if _, err := e.Create(ctx, containers.CreateOptions{Options: runspec.Options{Image: "busybox", Network: "none"}, Name: "kept"}); err != nil {
		t.Fatal(err)
	}
	p, err := e.Prune(ctx, PruneOptions{AllImages: true, BuildCache: true})
	if err != nil || len(p.Images.Deleted) > 0 || p.Freed > 0 {
		t.Fatalf("pruned what a container uses: %+v, %v", p, err)
	}
	p, err = e.Prune(ctx, PruneOptions{Containers: true, AllImages: true})
	if err != nil || len(p.Containers) != 1 || !slices.Contains(p.Images.Untagged, "busybox:latest") || p.Freed == 0 {
		t.Fatalf("got %+v, %v", p, err)
	}
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	if all, err := store.List(ctx); err != nil || len(all) > 0 {
		t.Errorf("images are left: %v, %v", all, err)
	}
	if left := blobs(t, e); left > 0 {
		t.Errorf("%d blobs are left", left)
	}
}

func TestPruneForgetsAbandonedWrites(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	store, err := e.Content()
	if err != nil {
		t.Fatal(err)
	}
	begin := func(id string) content.Writer {
		w, err := store.Begin(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	defer begin("pull/going on").Close()
	if err := begin("pull/cut off").Close(); err != nil {
		t.Fatal(err)
	}
	// Nobody goes on with a layer that a killed build was packing.
	if err := errors.Join(begin("layer-1").Close(), begin("load/1").Close()); err != nil {
		t.Fatal(err)
	}
	if p, err := e.Prune(t.Context(), PruneOptions{}); err != nil || p.Freed != 2000 {
		t.Errorf("got %+v, %v; want the 2000 bytes that nobody goes on with", p, err)
	}
	if p, err := e.Prune(t.Context(), PruneOptions{}); err != nil || p.Freed != 0 {
		t.Errorf("pruned what a next pull goes on with: %+v, %v", p, err)
	}
	e.parts.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if p, err := e.Prune(t.Context(), PruneOptions{}); err != nil || p.Freed != 1000 {
		t.Errorf("got %+v, %v; want the 1000 bytes that were cut off", p, err)
	}
}

func blobs(t *testing.T, e *Engine) (n int) {
	t.Helper()
	store, err := e.Content()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range store.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestOpenTouchesNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	if _, err := Open(Config{Root: root}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the root was made: %v", err)
	}
	if _, err := Open(Config{Root: "relative"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a relative root: got %v, want ErrInvalid", err)
	}
}

// TestKnownRegistry: a bare host is known by a sign-in, a folder of
// certificates or the configuration, and by nothing that only looks like it.
func TestKnownRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	auths := filepath.Join(dir, "auth.json")
	if err := os.WriteFile(auths, []byte(`{"auths":{"harbor:8443":{},"https://plain/v1/":{},"lemonbar.example":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "certs.d/trusted:5000"), 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := Open(Config{
		Root: dir, CertsDirs: []string{filepath.Join(dir, "certs.d"), filepath.Join(dir, "none")},
		Credentials: credentials.Open(func(k string) string { return map[string]string{"REGISTRY_AUTH_FILE": auths}[k] }),
		Files:       &config.Files{}, Registries: config.Registries{Insecure: []string{"lab:5000"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"harbor": "harbor:8443", "plain": "plain:443", "trusted": "trusted:5000", "lab": "lab:5000", "lemonbar": "", "trust": "",
	} {
		if got := e.parts.KnownRegistry(host); got != want {
			t.Errorf("%s is %q, want %q", host, got, want)
		}
	}
}

// TestRegistriesAreReadAboutWhenOneIsAsked: a start pays for no file about
// registries, and a broken one keeps nobody from what is here.
func TestRegistriesAreReadAboutWhenOneIsAsked(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := e.parts.Config
	cfg.Files = &config.Files{Docker: broken, Own: []string{broken}}
	cfg.Credentials = credentials.Open(func(k string) string { return map[string]string{"REGISTRY_AUTH_FILE": broken}[k] })
	other, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(t, other, runspec.Options{Network: "none"}, "echo", "hello"); err != nil || out != "hello\n" {
		t.Errorf("run: %q, %v", out, err)
	}
	small(t, other, "built", "word")
	store, err := other.Images()
	if err != nil {
		t.Fatal(err)
	}
	if all, err := store.List(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("list: %d images, %v", len(all), err)
	}
	if _, err := other.Pull(t.Context(), "localhost:1/x", engineimages.PullOptions{}); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("pull: %v, want the name of the broken file", err)
	}
}
