package builder

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/builder/command"
	"cove/internal/gittest"
)

func onHost(r *Request) { r.Network = "host" }

// TestAddGit: a repository is added as its files, and a commit that is known is
// not fetched again.
func TestAddGit(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	first := repo.Commit(map[string]string{"a": "1", "sub/b": "2", "link": "-> a"})
	w := newWorld(t)
	df := "FROM scratch\nADD " + repo.URL + "#main /src/\n"
	b := w.must(df, onHost)
	want := map[string]string{
		"src": "755 0:0 dir", "src/a": "644 0:0 1", "src/sub": "755 0:0 dir", "src/sub/b": "644 0:0 2", "src/link": "777 0:0 -> a",
	}
	if diff := cmp.Diff(want, b.files); diff != "" {
		t.Error(diff)
	}
	if at := b.times["src/a"].Unix(); at != 1500000000 {
		t.Errorf("a file's time is %d", at)
	}
	if again := w.must(df, onHost); again.Cached != again.Steps {
		t.Errorf("%d of %d steps cached", again.Cached, again.Steps)
	}
	pinned := "FROM scratch\nADD --checksum=" + first + " " + repo.URL + "#main:sub /only\n"
	if b := w.must(pinned, onHost); b.files["only/b"] != "644 0:0 2" {
		t.Errorf("files %v", b.files)
	}
	second := repo.Commit(map[string]string{"a": "changed"})
	if b := w.must(df, onHost); b.files["src/a"] != "644 0:0 changed" {
		t.Errorf("after a commit: %v", b.files)
	}
	if _, err := w.build(strings.Replace(pinned, first, second[:10], 1)+"RUN true\n", func(r *Request) { onHost(r); r.NoCache = true }); err != nil {
		t.Errorf("pinned to the beginning of the new commit: %v", err)
	}
	if _, err := w.build(pinned, func(r *Request) { onHost(r); r.NoCache = true }); err == nil || !strings.Contains(err.Error(), "as the checksum says") {
		t.Errorf("pinned to a commit that main is no longer at: %v", err)
	}
	kept := w.must("FROM scratch\nADD --keep-git-dir=true "+repo.URL+" /src\n", onHost)
	if kept.files["src/.git/HEAD"] == "" {
		t.Errorf("--keep-git-dir: %v", kept.files)
	}
	if again := w.must("FROM scratch\nADD --keep-git-dir=true "+repo.URL+" /src\n", onHost); again.Cached != again.Steps {
		t.Error("--keep-git-dir is never cached")
	}
	if _, err := w.build("FROM scratch\nADD " + repo.URL + " /src\nRUN true\n"); err == nil || !strings.Contains(err.Error(), "address of this machine") {
		t.Errorf("from this machine without leave: %v", err)
	}
}

// TestNamedContexts: a name is a context before it is a stage or an image, its
// ignore file counts, and it is part of the key by what is copied of it.
func TestNamedContexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := t.TempDir()
	for name, body := range map[string]string{"a": "1", "sub/b": "2", "no": "3", ".dockerignore": "no\n"} {
		p := filepath.Join(other, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	given := func(r *Request) {
		r.Contexts = map[string]string{"files": other, "alias": "docker-image://base", "stage": "docker-image://owned"}
	}
	df := `FROM alias AS stage
RUN never
FROM alias
COPY --from=files a* /x/
COPY --from=stage /owned /y
RUN --mount=from=files,target=/m,source=sub true
`
	b := w.must(df, given)
	if b.files["x/a"] != "644 0:0 1" || b.files["y"] != "755 5:6 o" || b.files["bin/sh"] == "" {
		t.Errorf("files %v", b.files)
	}
	if ran := w.exec.ran(); slices.Contains(ran, "never") {
		t.Errorf("the stage in whose place an image was given ran: %v", ran)
	}
	if _, err := w.build("FROM base\nCOPY --from=files no /\n", given); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("an ignored file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(other, "c"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if again := w.must(df, given); again.Cached != again.Steps {
		t.Errorf("a file that nothing copies: %d of %d cached", again.Cached, again.Steps)
	}
	whole := w.must("FROM files\nCOPY --from=files /sub /sub2\n", given)
	if whole.files["a"] != "644 0:0 1" || whole.files["sub2/b"] != "644 0:0 2" || whole.files["no"] != "" {
		t.Errorf("FROM a context: %v", whole.files)
	}
	if _, err := w.build("FROM base\nCOPY --from=files a /\n", func(r *Request) { r.Contexts = map[string]string{"files": "/does/not/exist"} }); err == nil || !strings.Contains(err.Error(), "build context files") {
		t.Errorf("a context that is not there: %v", err)
	}
}

// echo is an agent that says what it is told.
type echo struct{}

func (echo) Serve(conn net.Conn) error {
	defer conn.Close()
	_, err := io.Copy(conn, conn)
	return err
}

// TestSSHMount: a command finds an agent at its socket, and its variable names it.
func TestSSHMount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	said := ""
	w.exec.hook = func(r ExecRequest) error {
		m, ok := mountAt(r, "/run/buildkit/ssh_agent.0")
		if !ok {
			return nil
		}
		if !slices.Contains(r.Env, "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0") {
			t.Errorf("environment %v", r.Env)
		}
		conn, err := net.Dial("unix", m.Source)
		if err != nil {
			return err
		}
		defer conn.Close()
		buf := make([]byte, 4)
		if _, err := conn.Write([]byte("ping")); err != nil {
			return err
		}
		_, err = io.ReadFull(conn, buf)
		said = string(buf)
		return err
	}
	df := "FROM base\nRUN --mount=type=ssh true\n"
	w.must(df, func(r *Request) { r.SSH = map[string]command.Agent{"default": echo{}} })
	if said != "ping" {
		t.Errorf("the agent said %q", said)
	}
	if b := w.must(df); b.Cached != b.Steps {
		t.Error("whether there is an agent is part of the key")
	}
	if _, err := w.build("FROM base\nRUN --mount=type=ssh,required=true true\n"); err == nil || !strings.Contains(err.Error(), `the ssh agent "default" is required`) {
		t.Errorf("without an agent: %v", err)
	}
}
