package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/builder/fetch"
	"cove/errdefs"
	"cove/internal/gittest"
)

func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		from, to, link := strings.Cut(name, " -> ")
		p := filepath.Join(dir, from)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(data), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// opened is a context for as long as the test.
func opened(t *testing.T, src Source) (*Context, error) {
	t.Helper()
	src.State = t.TempDir()
	c, err := Open(t.Context(), src)
	t.Cleanup(func() {
		if err == nil {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		left, _ := filepath.Glob(filepath.Join(src.State, "context-*"))
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return c, err
}

func TestContextFiles(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{
		"Dockerfile": "one", "sub/D": "two", "sub/D.dockerignore": "a", ".dockerignore": "b\n", "link -> sub/D": "", "out -> /etc/passwd": "", "bad/.dockerignore": "[",
	})
	for _, tc := range []struct{ file, text, rule, wantErr string }{
		{"", "one", "b", ""},
		{"sub/D", "two", "a", ""},
		{"link", "two", "b", ""},
		{filepath.Join(dir, "sub/D"), "two", "a", ""},
		{"out", "", "", "there is no out"},
		{"nope", "", "", "there is no nope"},
		{"sub", "", "", "not a regular file"},
	} {
		c, err := Open(t.Context(), Source{Dir: dir, Dockerfile: tc.file, State: t.TempDir()})
		if tc.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("%s: %v", tc.file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.file, err)
			continue
		}
		if string(c.Dockerfile) != tc.text || !c.Excludes(tc.rule) {
			t.Errorf("%s: %q, ignoring %s: %v", tc.file, c.Dockerfile, tc.rule, c.Excludes(tc.rule))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), Source{Dir: filepath.Join(dir, "Dockerfile"), State: t.TempDir()}); err == nil {
		t.Error("a file was a context")
	}
}

// A Dockerfile named from the working directory is read there, with its own
// ignore file, before one of that name in the context is.
func TestDockerfileFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(makeTree(t, map[string]string{
		"x.Dockerfile":              "FROM here",
		"x.Dockerfile.dockerignore": "a",
		"ctx/x.Dockerfile":          "FROM there",
		"ctx/y.Dockerfile":          "FROM context",
		"ctx/a":                     "",
	}))
	for file, want := range map[string]string{"x.Dockerfile": "FROM here", "y.Dockerfile": "FROM context"} {
		c, err := opened(t, Source{Dir: "ctx", Dockerfile: file})
		if err != nil {
			t.Fatalf("-f %s: %v", file, err)
		}
		if string(c.Dockerfile) != want || c.Name != file {
			t.Errorf("-f %s: read %q as %q, want %q", file, c.Dockerfile, c.Name, want)
		}
		if ignored := c.Excludes("a"); ignored != (file == "x.Dockerfile") {
			t.Errorf("-f %s: a is ignored: %v", file, ignored)
		}
	}
	// Above the context there is nothing, also where it has a file of that name.
	if _, err := opened(t, Source{Dir: "ctx", Dockerfile: "../y.Dockerfile"}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("-f ../y.Dockerfile: %v", err)
	}
}

func TestLowerCaseDockerfile(t *testing.T) {
	t.Parallel()
	for want, files := range map[string]map[string]string{
		"dockerfile": {"dockerfile": "dockerfile", "dockerfile.dockerignore": "x"},
		"Dockerfile": {"dockerfile": "dockerfile", "Dockerfile": "Dockerfile"},
	} {
		c, err := opened(t, Source{Dir: makeTree(t, files)})
		if err != nil || string(c.Dockerfile) != want || c.Name != want {
			t.Errorf("%v: %q %q %v", files, c.Name, c.Dockerfile, err)
		}
		if c.Excludes("x") != (want == "dockerfile") {
			t.Errorf("%s: its ignore file counts: %v", want, c.Excludes("x"))
		}
	}
}

// packed is a gzipped tar of files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for name, body := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestContextFromURL(t *testing.T) {
	t.Parallel()
	body := packed(t, map[string]string{"Dockerfile": "FROM tar", "sub/D": "FROM sub", "file": "x"})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/app.tgz":
			_, _ = w.Write(body)
		case "/Dockerfile":
			_, _ = w.Write([]byte("FROM text"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	for _, tc := range []struct{ path, file, want string }{
		{"/app.tgz", "", "FROM tar"},
		{"/app.tgz", "sub/D", "FROM sub"},
		{"/Dockerfile", "", "FROM text"},
	} {
		c, err := opened(t, Source{Dir: srv.URL + tc.path, Dockerfile: tc.file})
		if err != nil || string(c.Dockerfile) != tc.want {
			t.Errorf("%s: %q %v", tc.path, c.Dockerfile, err)
		}
	}
	secret := strings.Replace(srv.URL, "://", "://user:t0ken@", 1)
	for _, path := range []string{"/none", "/app.tgz"} {
		_, err := opened(t, Source{Dir: secret + path, Dockerfile: "none"})
		if err == nil || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestContextFromGit(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	first := repo.Commit(map[string]string{"Dockerfile": "FROM first", "sub/Dockerfile": "FROM sub", "out": "-> /etc"})
	repo.Git("tag", "-a", "-m", "x", "v1")
	repo.Git("checkout", "-q", "-b", "topic")
	repo.Commit(map[string]string{"Dockerfile": "FROM topic"})
	repo.Git("checkout", "-q", "main")
	second := repo.Commit(map[string]string{"Dockerfile": "FROM second"})
	for suffix, want := range map[string]string{
		"": "FROM second", "#": "FROM second", "#topic": "FROM topic", "#v1": "FROM first", "#v1:sub": "FROM sub", "#:sub": "FROM sub",
		"#" + first: "FROM first", "#" + first[:9]: "FROM first", "?tag=v1&checksum=" + first[:12]: "FROM first",
		"?ref=main&checksum=" + second: "FROM second",
	} {
		c, err := opened(t, Source{Dir: repo.URL + suffix})
		if err != nil {
			t.Errorf("%s: %v", suffix, err)
			continue
		}
		if string(c.Dockerfile) != want {
			t.Errorf("%s: %q, want %q", suffix, c.Dockerfile, want)
		}
		if e, _ := c.Lstat(".git"); e != nil {
			t.Errorf("%s: .git is part of the context", suffix)
		}
		if e, _ := c.Lstat("Dockerfile"); e == nil || e.ModTime().Unix() != 1500000000 {
			t.Errorf("%s: the file has another time than its commit: %v", suffix, e)
		}
	}
	for suffix, want := range map[string]string{
		"#nope": "no branch, tag or commit", "#v1:none": "the directory none", "#v1:Dockerfile": "not a directory",
		"#v1:out": "the directory out", "?tag=v1&checksum=" + second: "as the checksum says",
	} {
		if _, err := opened(t, Source{Dir: repo.URL + suffix}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", suffix, err, want)
		}
	}
}

// TestGitToken: a secret is sent to the remote, and is in no message.
func TestGitToken(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	repo.Commit(map[string]string{"Dockerfile": "FROM private"})
	repo.Require("Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=") // x-access-token:t0ken
	git := fetch.Git{Secrets: map[string][]byte{"GIT_AUTH_TOKEN": []byte("t0ken\n")}}
	if c, err := opened(t, Source{Dir: repo.URL, Git: git}); err != nil || string(c.Dockerfile) != "FROM private" {
		t.Errorf("%q %v", c.Dockerfile, err)
	}
	wrong := strings.Replace(repo.URL, "://", "://user:s3cret@", 1)
	if _, err := opened(t, Source{Dir: wrong}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("with another password: %v", err)
	}
	git.Guarded = true
	if _, err := opened(t, Source{Dir: repo.URL, Git: git}); err == nil || !strings.Contains(err.Error(), "address of this machine") {
		t.Errorf("a Dockerfile's repository on this machine: %v", err)
	}
}

// TestGuarded: an archive that somebody else chose is not fetched from this machine.
func TestGuarded(t *testing.T) {
	t.Parallel()
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(srv.Close)
	_, err := opened(t, Source{Dir: srv.URL + "/x.tar", HTTP: fetch.Client(false)})
	if asked || !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("asked: %v, %v", asked, err)
	}
}

// TestEndless: whoever sends more than an archive is not listened to for ever.
func TestEndless(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tw := tar.NewWriter(w)
		_ = tw.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Typeflag: tar.TypeReg})
		_ = tw.Close()
		for zeros := make([]byte, 1<<20); ; {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	if _, err := opened(t, Source{Dir: srv.URL + "/x.tar"}); err == nil || !strings.Contains(err.Error(), "goes on for more than") {
		t.Error(err)
	}
}

// TestSubmodules: they are part of the context, unless that is refused.
func TestSubmodules(t *testing.T) {
	t.Parallel()
	inner, outer := gittest.New(t), gittest.New(t)
	inner.Commit(map[string]string{"file": "inner"})
	outer.Commit(map[string]string{"Dockerfile": "FROM outer"})
	outer.Git("submodule", "--quiet", "add", inner.URL, "sub")
	outer.Git("commit", "-q", "-m", "sub")
	for suffix, want := range map[string]bool{"": true, "?submodules=false": false} {
		c, err := opened(t, Source{Dir: outer.URL + suffix})
		if err != nil {
			t.Errorf("%q: %v", suffix, err)
			continue
		}
		if e, err := c.Lstat("sub/file"); err != nil || (e != nil) != want {
			t.Errorf("%q: the submodule's file: %v %v", suffix, e, err)
		}
		if e, _ := c.Lstat("sub/.git"); e != nil {
			t.Errorf("%q: the submodule's .git is part of the context", suffix)
		}
	}
}

func TestOpenNamed(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{".dockerignore": "no\n", "no": "", "yes": ""})
	c, err := OpenNamed(t.Context(), "n", Source{Dir: dir, State: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if e, _ := c.Lstat("yes"); e == nil || !c.Excludes("no") {
		t.Error("its ignore file does not count")
	}
	if _, err := OpenNamed(t.Context(), "n", Source{Dir: "/does/not/exist", State: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "build context n:") {
		t.Error(err)
	}
}

// TestReceived: a Dockerfile that a client sent is taken as it is, with its rules,
// and nothing is remembered of files that go with the build.
func TestReceived(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"Dockerfile": "of the context", ".dockerignore": "b", "a": "1"})
	state := t.TempDir()
	c, err := Open(t.Context(), Source{
		Dir: dir, State: state,
		Received: &Received{Name: "sub/D", Dockerfile: []byte("FROM scratch"), Ignore: []byte("a\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(c.Dockerfile) != "FROM scratch" || c.Name != "sub/D" || !c.Excludes("a") || c.Excludes("b") {
		t.Errorf("%q %q, a: %v, b: %v", c.Dockerfile, c.Name, c.Excludes("a"), c.Excludes("b"))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*", "*")); len(left) > 0 {
		t.Errorf("remembered: %v", left)
	}
}
