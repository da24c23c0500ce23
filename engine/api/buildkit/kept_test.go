package buildkit_test

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"cove/engine"
	"cove/engine/api/buildkit"
	"cove/engine/api/route"
)

// sharing is a client's directory, of which it tells under a shared key.
type sharing struct {
	c   *client.Client
	dir string
	key string
}

func (s sharing) write(t *testing.T, name, body string, at time.Time) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// build builds all files into a directory, and returns which bytes of the context came and what
// was built.
func (s sharing) build(t *testing.T) (sent int64, files map[string]string) {
	t.Helper()
	dir, err := fsutil.NewFS(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	told := make(chan *client.SolveStatus)
	var done sync.WaitGroup
	done.Go(func() {
		for status := range told {
			for _, v := range status.Statuses {
				if v.ID == "transferring context:" && v.Name != ".dockerignore" {
					sent = v.Current // the last one is that of all files
				}
			}
		}
	})
	_, err = s.c.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: mounts(dir), SharedKey: s.key,
		Exports: []client.ExportEntry{{Type: "local", OutputDir: out}},
	}, told)
	done.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return sent, filesOf(t, out)
}

// filesOf are the contents of files, what links lead to, and "/" of directories.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case d.Type()&os.ModeSymlink != 0:
			to, err := os.Readlink(path)
			files[name] = "-> " + to
			return err
		case d.Type().IsRegular():
			body, err := os.ReadFile(path)
			files[name] = string(body)
			return err
		case name != ".":
			files[name] = "/"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (s sharing) want(t *testing.T, what string, sent int64, want map[string]string) {
	t.Helper()
	n, got := s.build(t)
	if n != sent {
		t.Errorf("%s: %d bytes were sent, want %d", what, n, sent)
	}
	for name, body := range want {
		if got[name] != body {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], body)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is there: %q", what, name, got[name])
		}
	}
}

// everywhere has each file copied.
const everywhere = "FROM scratch\nCOPY . /\n"

// TestKeptContext: a client sends what has changed since its last build, and nothing else, and
// what is built has what the client has.
func TestKeptContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{})
	s := sharing{f.byUpgrade(t), t.TempDir(), "app:node"}
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	s.write(t, "Dockerfile", everywhere, then)
	s.write(t, ".dockerignore", "Dockerfile\n.dockerignore\nleft\n", then)
	s.write(t, "a", "of a", then)
	s.write(t, "d/b", "of b", then)
	files := map[string]string{"a": "of a", "d": "/", "d/b": "of b"}
	s.want(t, "first", 8, files)
	s.want(t, "again", 0, files)

	s.write(t, "a", "changed", then.Add(time.Second))
	files["a"] = "changed"
	s.want(t, "one file", 7, files)

	// A file without another time or size is the same one, as BuildKit has it.
	s.write(t, "a", "CHANGED", then.Add(time.Second))
	s.want(t, "the same time", 0, files)
	s.write(t, "a", "CHANGED", then.Add(2*time.Second))
	files["a"] = "CHANGED"
	s.want(t, "another time", 7, files)

	if err := os.Remove(filepath.Join(s.dir, "a")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "a/in", "a file below what was one", then)
	if err := os.RemoveAll(filepath.Join(s.dir, "d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a/in", filepath.Join(s.dir, "d")); err != nil {
		t.Fatal(err)
	}
	s.want(t, "replaced", 25, map[string]string{"a": "/", "a/in": "a file below what was one", "d": "-> a/in"})

	if err := os.RemoveAll(filepath.Join(s.dir, "a")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "a", "a file", then)
	s.want(t, "back", 6, map[string]string{"a": "a file", "d": "-> a/in"})
}

// TestKeptContextAsItIs: after any changes, what is built is what the client has.
func TestKeptContextAsItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{})
	s := sharing{f.byUpgrade(t), t.TempDir(), "app:node"}
	s.write(t, "Dockerfile", everywhere, time.Now())
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "a/b", "a/b/c", "a-", "a.b", "ab", "b", "b/a", "b/a/a", "c", "c/d", "Z"}
	for round := range 25 {
		for range 1 + random.IntN(6) {
			path := filepath.Join(s.dir, names[random.IntN(len(names))])
			other := filepath.Join(s.dir, names[random.IntN(len(names))])
			change := []func() error{
				func() error { return os.RemoveAll(path) },
				func() error { return os.WriteFile(path, []byte(strings.Repeat("x", random.IntN(100))), 0o644) },
				func() error { return os.MkdirAll(path, 0o755) },
				func() error { return os.Symlink("to-"+filepath.Base(other), path) },
				func() error { return os.Link(other, path) },
				func() error { return os.Rename(other, path) },
				func() error { return os.Chmod(path, 0o600|os.FileMode(random.IntN(0o100))) },
			}[random.IntN(7)]
			_ = change() // one that cannot be made is none
		}
		want := filesOf(t, s.dir)
		_, got := s.build(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
}

// TestKeptContextIsCounted: what is kept is listed, and pruned with the rest.
func TestKeptContextIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{})
	s := sharing{f.byUpgrade(t), t.TempDir(), "app:node"}
	s.write(t, "Dockerfile", "FROM scratch\nCOPY a /\n", time.Now())
	s.write(t, "a", "of a", time.Now())
	s.build(t)
	usage, err := s.c.DiskUsage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kept []*client.UsageInfo
	for _, u := range usage {
		if u.RecordType == client.UsageRecordTypeLocalSource {
			kept = append(kept, u)
		}
	}
	size := int64(len("of a") + len("FROM scratch\nCOPY a /\n"))
	if len(kept) != 1 || kept[0].Size != size || kept[0].UsageCount != 1 ||
		kept[0].Description != "local source for context" || kept[0].InUse {
		t.Errorf("%+v", kept)
	}
	if _, err := f.engine.Prune(t.Context(), engine.PruneOptions{BuildCache: true}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(f.state, "contexts", "*")); len(left) > 0 {
		t.Errorf("after a prune: %v", left)
	}
	s.want(t, "after a prune", size, map[string]string{"a": "of a"})
}

// TestKeptContextIsNobodyElses: who claims the shared key of another socket's client, or is not
// known, sends everything itself, however alike it says its files are.
func TestKeptContextIsNobodyElses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{})
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	client := func(c *client.Client, secret string) (sharing, map[string]string) {
		s := sharing{c, t.TempDir(), "app:node"}
		s.write(t, "Dockerfile", everywhere, then)
		s.write(t, "secret", secret, then)
		return s, map[string]string{"Dockerfile": everywhere, "secret": secret}
	}
	all := int64(len(everywhere) + len("hunter2"))
	victim, files := client(f.byUpgrade(t), "hunter2")
	victim.want(t, "the first one", all, files)
	for _, narrow := range []string{"build", "read,build", "build"} {
		access, err := route.ParseAccess([]string{narrow})
		if err != nil {
			t.Fatal(err)
		}
		socket := f.serve(t, buildkit.Config{Engine: f.engine, Access: access}, filepath.Join(t.TempDir(), "s"))
		thief, files := client(clientOf(t, socket), "1234567")
		thief.want(t, narrow, all, files)
		thief.want(t, narrow+" again", 0, files)
	}
	anonymous := serveAs(t, buildkit.Config{Engine: f.engine}, filepath.Join(t.TempDir(), "s"),
		func(ctx context.Context, _ net.Conn) context.Context { return ctx })
	nobody, others := client(clientOf(t, anonymous), "7654321")
	for range 2 {
		nobody.want(t, "nobody knows who", all, others)
	}
	victim.want(t, "the first one again", 0, files)
}

// TestKeptContextsAtOnce: builds of one client at once have files of their own.
func TestKeptContextsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{})
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	var all sync.WaitGroup
	for i := range 12 { // more than are kept of one client
		s := sharing{f.byUpgrade(t), t.TempDir(), "app:node"}
		s.write(t, "Dockerfile", everywhere, then)
		mine := strings.Repeat(string(rune('a'+i)), i+1)
		s.write(t, "file", mine, then)
		all.Go(func() {
			for range 3 {
				if _, got := s.build(t); got["file"] != mine {
					t.Errorf("client %d has built %q", i, got["file"])
				}
			}
		})
	}
	all.Wait()
}
