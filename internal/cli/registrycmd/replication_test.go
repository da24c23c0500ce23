package registrycmd

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cove/distribution/distributiontest"
)

// TestReplicationStory has one registry feed another by the command line: over TLS
// with the other's own authority, by a run that is asked for and by a push.
func TestReplicationStory(t *testing.T) {
	t.Parallel()
	far, near := serve(t, t.TempDir()), serve(t, t.TempDir(), "--tls=off")
	img := distributiontest.NewImage(t, 1, 3000, 200_000)
	near.pushImage("team/app", "v1", img)
	step := func(stdin, want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, stdin, append(args, "--root", near.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	ca := filepath.Join(far.root, "tls", "ca.crt")
	step(testPassword+"\n", "", 0, "endpoint", "add", "far", far.Address, "--user", "admin", "--password-stdin")
	step("", "certificate", 1, "endpoint", "test", "far")
	step(testPassword+"\n", "", 0, "endpoint", "set", "far", far.Address, "--user", "admin", "--password-stdin", "--ca", ca)
	step("", "far answers", 0, "endpoint", "test", "far")
	step("", "far        oci    "+far.Address+"   admin", 0, "endpoint", "ls")
	step("", "docker.io is of the kind docker-hub", 1, "endpoint", "add", "x", "docker.io", "--kind", "oci")
	step("", "give --push ENDPOINT or --pull ENDPOINT", 125, "replication", "create", "all")
	step("", "there is no endpoint", 1, "replication", "create", "all", "--push", "near")
	step("", "expected 5 to 6 fields", 1, "replication", "create", "all", "--push", "far", "--schedule", "nightly")
	step("", "", 0, "replication", "create", "all", "--push", "far", "--repositories", "team/**", "--namespace", "copies", "--flatten", "1", "--on-event")
	step("", "team/**        **     on event", 0, "replication", "ls")
	step("", "a/b/c becomes copies/b/c", 0, "replication", "show", "all")
	id := step("", "1 copied", 0, "replication", "run", "all", "--wait")
	id, _, _ = strings.Cut(id, "\n")
	step("", "team/app:v1   copies/app   copied", 0, "replication", "tags", id)
	step("", "manual", 0, "replication", "runs", "all")
	step("", "nothing of run", 1, "replication", "retry", id)
	step("", "has ended", 1, "replication", "stop", id)
	step("", "is no run", 125, "replication", "stop", "first")
	arrives(t, far, "/v2/copies/app/manifests/v1")
	near.pushImage("team/app", "v2", img)
	arrives(t, far, "/v2/copies/app/manifests/v2")
	step("", "", 0, "replication", "disable", "all")
	step("", "disabled", 0, "replication", "ls")
	step("", "is used by the replication rules all", 1, "endpoint", "rm", "far")
	step("", "", 0, "replication", "rm", "all")
	step("", "", 0, "endpoint", "rm", "far")
	for _, path := range []string{"registry.db", "registry.db-wal"} {
		if b, _ := os.ReadFile(filepath.Join(near.root, path)); strings.Contains(string(b), testPassword) {
			t.Errorf("%s has a password in it", path)
		}
	}
}

// TestReplicationCommands are used wrongly, and list what there is in every form.
func TestReplicationCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	for _, step := range []struct {
		want string
		code int
		args []string
	}{
		{"", 0, []string{"endpoint", "add", "hub", "docker.io"}},
		{"there is an endpoint", 1, []string{"endpoint", "add", "hub", "docker.io"}},
		{"a name is lower-case", 1, []string{"endpoint", "add", "Hub", "docker.io"}},
		{"--ca", 1, []string{"endpoint", "add", "x", "h", "--ca", "/nonexistent"}},
		{"there is no kind", 1, []string{"endpoint", "add", "x", "h", "--kind", "quay"}},
		{`"kind":"docker-hub"`, 0, []string{"endpoint", "ls", "--format", "json"}},
		{"hub\n", 0, []string{"endpoint", "ls", "-q"}},
		{"there is no endpoint", 1, []string{"endpoint", "set", "absent", "h"}},
		{"there is no endpoint", 1, []string{"endpoint", "test", "absent"}},
		{"accepts 2 arg", 125, []string{"endpoint", "add", "x"}},
		{"", 0, []string{
			"replication", "create", "base", "--pull", "hub", "--repositories", "library/{alpine,debian}", "--namespace", "base",
			"--flatten-all", "--keep-existing", "--schedule", "0 3 * * *", "--zone", "Asia/Shanghai", "--rate", "10MB",
		}},
		{"there is a replication rule", 1, []string{"replication", "create", "base", "--pull", "hub"}},
		{"0 3 * * * Asia/Shanghai", 0, []string{"replication", "ls"}},
		{"pull hub", 0, []string{"replication", "show", "base"}},
		{"a/b/c becomes base/c", 0, []string{"replication", "show", "base"}},
		{"10MB a second", 0, []string{"replication", "show", "base"}},
		{`"flatten":-1`, 0, []string{"replication", "show", "base", "--format", "json"}},
		{`"override":false`, 0, []string{"replication", "ls", "--format", "json"}},
		{"give --flatten or", 125, []string{"replication", "create", "x", "--pull", "hub", "--flatten", "1", "--flatten-all"}},
		{"--rate", 125, []string{"replication", "create", "x", "--pull", "hub", "--rate", "fast"}},
		{"is not heard here", 1, []string{"replication", "create", "x", "--pull", "hub", "--on-event"}},
		{"use a glob", 1, []string{"replication", "create", "x", "--pull", "hub", "--tags", "["}},
		{"there is no replication rule", 1, []string{"replication", "set", "absent", "--pull", "hub"}},
		{"", 0, []string{"replication", "set", "base", "--push", "hub", "--namespace", "team", "--disabled"}},
		{"disabled", 0, []string{"replication", "show", "base"}},
		{"there is no replication rule", 1, []string{"replication", "run", "absent"}},
		{"there is no run 12", 1, []string{"replication", "tags", "12"}},
		{"there is no run 12", 1, []string{"replication", "retry", "12"}},
		{"there is no job 12", 1, []string{"replication", "stop", "12"}},
		{"ask for at least one", 125, []string{"replication", "runs", "-n", "0"}},
		{"ask for at least one", 125, []string{"replication", "tags", "12", "-n", "0"}},
		{"RUN", 0, []string{"replication", "runs"}},
		{"", 0, []string{"replication", "enable", "base"}},
		{"when asked to", 0, []string{"replication", "ls"}},
		{"there is no replication rule", 1, []string{"replication", "rm", "absent", "base"}},
	} {
		out, errs, code := here(t, "", append(step.args, "--root", p.root)...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("registry %s: %d, want %d and %q\n%s%s", strings.Join(step.args, " "), code, step.code, step.want, out, errs)
		}
	}
}

// arrives waits for something to be at a registry.
func arrives(t *testing.T, at *process, path string) {
	t.Helper()
	status := 0
	for range 400 {
		if status, _, _ = at.do("HEAD", path, nil); status == 200 {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("%s: %d", path, status)
}

// TestReplicationIsKilled kills the server within a blob, twice. When it is back the
// run goes on by itself, and no byte is sent a second time.
func TestReplicationIsKilled(t *testing.T) {
	t.Parallel()
	var received atomic.Int64
	inner := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(distributiontest.StoreOf(t)))
	far := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/uploads/") {
			r.Body = counted{r.Body, &received}
		}
		inner.ServeHTTP(w, r)
	}))
	const size = 40 << 20
	root := t.TempDir()
	near := serve(t, root, "--tls=off")
	img := distributiontest.NewImage(t, 1, size)
	near.pushImage("team/app", "v1", img)
	for _, args := range [][]string{
		{"endpoint", "add", "far", far},
		{"replication", "create", "all", "--push", "far", "--rate", "8MiB"},
		{"replication", "run", "all"},
	} {
		if out, errs, code := here(t, "", append(args, "--root", root)...); code != 0 {
			t.Fatalf("%v: %s%s", args, out, errs)
		}
	}
	for _, at := range []int64{9 << 20, 22 << 20} {
		eventually(t, "the next part of the blob", func() bool { return received.Load() > at })
		near.Kill()
		near = serve(t, root, "--tls=off")
	}
	eventually(t, "the end of the run", func() bool {
		resp, err := http.Get("http://" + far + "/v2/team/app/manifests/v1")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	if got, want := received.Load(), size+img.Config.Size; got != want {
		t.Errorf("%d bytes came for %d (%+d)", got, want, got-want)
	}
	t.Logf("2 kills within one blob of %d bytes: %d bytes came in all, each once", size, received.Load())
}

// eventually waits for longer than a job stays with a server that was killed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// startTheirs runs docker's registry on a port that is free, and returns its address.
func startTheirs(t *testing.T, program string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "config.yml")
	text := "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nhttp: {addr: \"" + address + "\"}\n" +
		"storage: {filesystem: {rootdirectory: " + dir + "/data}}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), program, "serve", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it runs until then
		_ = cmd.Wait()         // by our signal
	})
	eventually(t, "docker's registry", func() bool {
		resp, err := http.Get("http://" + address + "/v2/")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	return address
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// TestReplicationWithTheirRegistry feeds docker's registry, as Debian has it, and is
// fed by it.
func TestReplicationWithTheirRegistry(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed: make deps-test")
	}
	theirs := startTheirs(t, program)
	near := serve(t, t.TempDir(), "--tls=off")
	near.pushImage("team/app", "v1", distributiontest.NewImage(t, 1, 3000, 12<<20))
	near.pushImage("team/deep/er", "v2", distributiontest.NewImage(t, 2, 3000))
	for _, args := range [][]string{
		{"endpoint", "add", "theirs", theirs},
		{"replication", "create", "out", "--push", "theirs", "--repositories", "team/**", "--namespace", "from-cove"},
		{"replication", "run", "out", "--wait"},
		{"replication", "create", "in", "--pull", "theirs", "--repositories", "from-cove/**", "--namespace", "back", "--flatten", "2"},
		{"replication", "run", "in", "--wait"},
		{"replication", "run", "in", "--wait"},
	} {
		if out, errs, code := here(t, "", append(args, "--root", near.root)...); code != 0 {
			t.Fatalf("%v: %s%s", args, out, errs)
		}
	}
	for _, path := range []string{"/v2/back/app/manifests/v1", "/v2/back/deep/er/manifests/v2"} {
		if status, _, _ := near.do("HEAD", path, nil); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
}
