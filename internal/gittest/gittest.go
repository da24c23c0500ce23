// Package gittest serves a git repository over HTTP to tests.
package gittest

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Repository is a repository that is served.
type Repository struct {
	t   testing.TB
	dir string
	// URL ends with .git.
	URL    string
	header atomic.Pointer[string]
}

// Require has requests refused without this Authorization header.
func (r *Repository) Require(header string) { r.header.Store(&header) }

// New makes an empty repository and serves it until the test ends. It skips the
// test where git is not installed.
func New(t testing.TB) *Repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	r := &Repository{t: t, dir: filepath.Join(t.TempDir(), "repository.git")}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Git("init", "-q", "-b", "main")
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(r.Git("--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.dir), "GIT_HTTP_EXPORT_ALL=1"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if want := r.header.Load(); want != nil && req.Header.Get("Authorization") != *want {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.URL = srv.URL + "/repository.git"
	return r
}

// Git runs git in the repository and returns what it prints.
func (r *Repository) Git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=n@example.com", "GIT_COMMITTER_NAME=n",
		"GIT_COMMITTER_EMAIL=n@example.com", "GIT_AUTHOR_DATE=@1500000000 +0000", "GIT_COMMITTER_DATE=@1500000000 +0000",
	)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v %s", args, err, out)
	}
	return string(out)
}

// Commit writes files and commits them; it returns the hash.
func (r *Repository) Commit(files map[string]string) string {
	r.t.Helper()
	for name, body := range files {
		p := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(body, "-> "); ok {
			if err := os.Symlink(target, p); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.Git("add", "-A")
	r.Git("commit", "-q", "-m", "x")
	return strings.TrimSpace(r.Git("rev-parse", "HEAD"))
}
