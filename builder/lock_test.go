package builder

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"cove/builder/lockfile"
	"cove/errdefs"
	"cove/internal/gittest"
)

// lockOf is what a build wrote down, as the next one reads it.
func lockOf(t *testing.T, l *lockfile.Lock) *lockfile.Lock {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	next, err := lockfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestLockedRepository: a branch that moved is taken as it was, as a context and by ADD,
// also where its commit is asked for anew.
func TestLockedRepository(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	df := "FROM scratch\nADD " + repo.URL + "#main /src/\nCOPY a /a\n"
	repo.Commit(map[string]string{"a": "1", "Dockerfile": df})
	w := newWorld(t)
	build := func(l *lockfile.Lock) *built {
		return w.must("", func(r *Request) {
			onHost(r)
			r.Context, r.Dockerfile, r.Stdin, r.Lock, r.NoCache = repo.URL, "", nil, l, true
		})
	}
	first := &lockfile.Lock{}
	build(first)
	repo.Commit(map[string]string{"a": "2"})
	for file, want := range map[*lockfile.Lock]string{lockOf(t, first): "644 0:0 1", {}: "644 0:0 2"} {
		if b := build(file); b.files["src/a"] != want || b.files["a"] != want {
			t.Errorf("%q and %q, want %q", b.files["src/a"], b.files["a"], want)
		}
	}
}

// TestLockedURL: what a URL gives must be what it gave.
func TestLockedURL(t *testing.T) {
	t.Parallel()
	var body atomic.Value
	body.Store("one")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body.Load().(string)))
	}))
	defer s.Close()
	w := newWorld(t)
	build := func(l *lockfile.Lock, path string) error {
		_, err := w.build("FROM scratch\nADD "+s.URL+path+" /a\n", onHost, func(r *Request) { r.Lock = l })
		return err
	}
	first := &lockfile.Lock{}
	if err := build(first, "/file"); err != nil {
		t.Fatal(err)
	}
	if err := build(lockOf(t, first), "/file"); err != nil {
		t.Errorf("the same: %v", err)
	}
	body.Store("two")
	if err := build(lockOf(t, first), "/file"); !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), "as the lock file says") {
		t.Errorf("something else: %v", err)
	}
	sealed := lockOf(t, first)
	sealed.Sealed = true
	if err := build(sealed, "/other"); !errors.Is(err, errdefs.ErrDenied) || !strings.Contains(err.Error(), "stdin:2") {
		t.Errorf("another URL: %v", err)
	}
	// A context is held to it too.
	_, err := w.build("", func(r *Request) { r.Context, r.Dockerfile, r.Stdin, r.Lock = s.URL+"/file", "", nil, lockOf(t, first) })
	if !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("a context: %v", err)
	}
}
