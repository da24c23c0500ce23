package buildctx

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// makeTree writes files ("a/b": content, "a -> b": a link, "a/": a directory).
func makeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		from, to, isLink := strings.Cut(name, " -> ")
		p := filepath.Join(dir, from)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case isLink:
			err = errors.Join(err, os.Symlink(to, p))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(p, 0o755))
		default:
			err = errors.Join(err, os.WriteFile(p, []byte(data), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openTree(t testing.TB, dir string, ignore *Ignore, stats *Stats) *Tree {
	t.Helper()
	tree, err := Open(dir, ignore, stats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func TestResolve(t *testing.T) {
	t.Parallel()
	tree := openTree(t, makeTree(t, map[string]string{
		"a/b/file": "x", "abs -> /a": "", "rel -> a/b": "", "up -> ../../../a": "", "a/out -> ../../..": "", "loop -> loop": "",
		"ping -> pong": "", "pong -> ping": "", "gone -> a/nope/x": "", "file -> a/b/file": "",
	}), nil, nil)
	for p, want := range map[string]string{
		"": "", ".": "", "a/b/file": "a/b/file", "/a/b": "a/b", "abs/b": "a/b", "rel/file": "a/b/file", "up/b": "a/b", "a/out/a": "a",
		"../../a": "a", "a/b/../b": "a/b", "file": "a/b/file", "nope": "nope!", "gone": "a/nope/x!", "nope/../x": "x!",
		"loop": "error", "ping/x": "error", "a/b/file/x": "error",
	} {
		real, e, err := tree.Resolve(p)
		got := real
		if err != nil {
			got = "error"
		} else if e == nil {
			got += "!"
		} else if e.Path != real {
			t.Errorf("%s: the entry is %s", p, e.Path)
		}
		if got != want {
			t.Errorf("%q resolves to %q, want %q (%v)", p, got, want, err)
		}
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	ignore, err := ParseIgnore(".dockerignore", []byte("*.log\nhid/*\n!hid/shown\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, makeTree(t, map[string]string{
		"a.txt": "", "b.txt": "", "c.log": "", "d/a.txt": "", "d/e/a.txt": "", "hid/gone": "", "hid/shown": "", "l -> d": "", "dead -> nope": "",
	}), ignore, nil)
	for _, tc := range []struct {
		pattern string
		deep    bool
		want    string
	}{
		{"*.txt", false, "a.txt b.txt"},
		{"*.log", false, ""},
		{"d/*", false, "d/a.txt d/e"},
		{"*/a.txt", false, "d/a.txt"},
		{"?.txt", false, "a.txt b.txt"},
		{"[b-c].*", false, "b.txt"},
		{"**/a.txt", false, "d/a.txt"},
		{"**/a.txt", true, "a.txt d/a.txt d/e/a.txt"},
		{"d/**", true, "d/a.txt d/e"},
		{"hid/*", false, "hid/shown"},
		{"hid", false, "hid"},
		{"dea*", false, "dead"},
		{"l/*", false, "l/a.txt l/e"},
		{"c.log", false, "error"},
		{"hid/gone", false, "error"},
		{"nope", false, "error"},
		{"nope/*", false, "error"},
		{"[", false, "error"},
		{"dead", false, "error"},
		{"", false, ""},
		{"a.txt", false, "a.txt"},
	} {
		ms, err := tree.Glob(tc.pattern, tc.deep)
		var names []string
		for _, m := range ms {
			names = append(names, m.Name)
		}
		slices.Sort(names)
		got := strings.Join(names, " ")
		if err != nil {
			got = "error"
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q (%v)", tc.pattern, got, tc.want, err)
		}
	}
	if _, err := tree.Glob("c.log", false); !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), `not found in the build context; excluded by .dockerignore (rule "*.log")`) {
		t.Error(err)
	}
}

func paths(es []*Entry) []string {
	var out []string
	for _, e := range es {
		out = append(out, e.Path)
	}
	return out
}

func TestWalkIgnores(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{
		"keep": "", "a/x.o": "", "a/keep.o": "", "a/b/y.o": "", "node_modules/m/index": "", "build/out/bin": "", "build/cfg": "", "empty/": "",
	})
	ignore, err := ParseIgnore(".dockerignore", []byte("# comment\n**/*.o\n!a/keep.o\nnode_modules\nbuild\n!build/cfg\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir, ignore, nil)
	es, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "a", "a/b", "a/keep.o", "build", "build/cfg", "empty", "keep"}
	if got := paths(es); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	a, err := tree.Lstat("a")
	if err != nil || a == nil {
		t.Fatal(err)
	}
	if es, err = tree.Walk(t.Context(), a, func(rel string, _ bool) bool { return rel == "b" }); err != nil || !slices.Equal(paths(es), []string{"a", "a/keep.o"}) {
		t.Errorf("%q %v", paths(es), err)
	}
	if !slices.IsSortedFunc(want, ComparePaths) {
		t.Error("a walk is not in the order of ComparePaths")
	}
}

// TestSwap: what was a file or directory and has become a link since is not
// followed, and what has changed is not read as if it had not.
func TestSwap(t *testing.T) {
	t.Parallel()
	outside := makeTree(t, map[string]string{"secret": "outside"})
	dir := makeTree(t, map[string]string{"f": "inside", "d/secret": "inside", "g": "inside"})
	tree := openTree(t, dir, nil, nil)
	es, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.Remove(filepath.Join(dir, "f")), os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "f")),
		os.RemoveAll(filepath.Join(dir, "d")), os.Symlink(outside, filepath.Join(dir, "d")),
		os.WriteFile(filepath.Join(dir, "g"), []byte("longer than before"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if !e.IsRegular() {
			continue
		}
		var data []byte
		err := tree.Read(e, func(r io.Reader) (err error) { data, err = io.ReadAll(r); return err })
		if err == nil || strings.Contains(string(data), "outside") {
			t.Errorf("%s was read as %q: %v", e.Path, data, err)
		}
		if err := tree.Hash(t.Context(), []*Entry{e}); err == nil {
			t.Errorf("%s was hashed", e.Path)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 16<<10) // what is read at once
	files := map[string]string{"empty": "", "small": "x", "exact": big, "more": big + "y", "less": big[1:]}
	tree := openTree(t, makeTree(t, files), nil, nil)
	es, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err == nil {
		err = tree.Hash(t.Context(), es)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es[1:] {
		if e.Digest != digest.FromString(files[e.Path]) {
			t.Errorf("%s has the digest %s", e.Path, e.Digest)
		}
	}
}

// TestStats: a digest is remembered only when the file cannot have changed
// within the tick of its clock, and only for exactly that file.
func TestStats(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"f": "one", "g": "two"})
	path := filepath.Join(t.TempDir(), "stat")
	hash := func() (remembered int) {
		t.Helper()
		s, err := OpenStats(path)
		if err != nil {
			t.Fatal(err)
		}
		tree := openTree(t, dir, nil, s)
		es, err := tree.Walk(t.Context(), tree.Root(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			if _, ok := s.get(e); ok {
				remembered++
			}
		}
		if err := errors.Join(tree.Hash(t.Context(), es), s.Save()); err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			data, _ := os.ReadFile(filepath.Join(dir, e.Path))
			if e.IsRegular() && e.Digest != digest.FromBytes(data) {
				t.Errorf("%s has a wrong digest", e.Path)
			}
		}
		return remembered
	}
	now := time.Now()
	hash()
	if time.Since(now) < 100*time.Millisecond {
		if n := hash(); n != 0 {
			t.Errorf("%d files were trusted within the tick", n)
		}
	}
	time.Sleep(120 * time.Millisecond)
	hash()
	if n := hash(); n != 2 {
		t.Errorf("%d of 2 files were remembered", n)
	}
	// Same size, same mtime: the ctime tells.
	p := filepath.Join(dir, "f")
	st, err := os.Stat(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(p, []byte("ONE"), 0o644), os.Chtimes(p, st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}
	if n := hash(); n != 1 {
		t.Errorf("%d files were remembered, want 1", n)
	}
	for _, damage := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { b[0] ^= 1; return b },
		func([]byte) []byte { return nil },
	} {
		time.Sleep(120 * time.Millisecond)
		hash()
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, damage(data), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := hash(); n != 0 {
			t.Errorf("%d files were remembered by a damaged cache", n)
		}
		hash()
	}
}

func TestKeepOwner(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"f": "x"})
	if err := unix.Setxattr(filepath.Join(dir, "f"), "user.note", []byte("v"), 0); err != nil {
		t.Skip("needs extended attributes:", err)
	}
	tree := openTree(t, dir, nil, nil)
	tree.KeepOwner = true
	es, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err == nil {
		err = tree.Hash(t.Context(), es)
	}
	if err != nil || es[1].Xattrs["user.note"] != "v" {
		t.Errorf("%v %v", es[1].Xattrs, err)
	}
}

// FuzzIgnore holds the walk's step by step matching against the matcher's own
// answer for the whole path.
func FuzzIgnore(f *testing.F) {
	f.Add("*.log\n!keep.log", "a/b.log")
	f.Add("**/x\n!a/x\nb/", "a/x/y")
	f.Add("a*b?\n[c-d]\n!\\!x", "axb1/c")
	f.Add("/abs\n../up\n./dot", "abs")
	f.Fuzz(func(t *testing.T, rules, p string) {
		ig, err := ParseIgnore("f", []byte(rules))
		if err != nil || ig == nil {
			return
		}
		p = strings.TrimPrefix(filepath.Clean("/"+p), "/")
		if p == "" || strings.ContainsRune(p, 0) {
			return
		}
		m, err := patternmatcher.New(ig.patterns)
		if err != nil {
			t.Fatal("the patterns were accepted once:", err)
		}
		want, err := m.MatchesOrParentMatches(p)
		if err != nil {
			return
		}
		if got := ig.match(p).ignored; got != want {
			t.Fatalf("%q by %q: %v, the matcher says %v", p, ig.patterns, got, want)
		}
		if want && ig.Rule(p) == "" {
			t.Fatalf("%q is left out by no rule of %q", p, ig.patterns)
		}
	})
}

// FuzzGlob: no pattern leaves the tree, and what matches is there.
func FuzzGlob(f *testing.F) {
	dir := makeTree(f, map[string]string{"a/b/c": "", "a/l -> /": "", "x -> ../..": "", "[odd": ""})
	for _, p := range []string{"*", "**/c", "../*", "a/l/*", "x/x/x", "[", `\`, `\[odd`, "a//b", "a/*/../b"} {
		f.Add(p, true)
		f.Add(p, false)
	}
	f.Fuzz(func(t *testing.T, pattern string, deep bool) {
		tree := openTree(t, dir, nil, nil)
		ms, err := tree.Glob(strings.TrimPrefix(filepath.Clean("/"+pattern), "/"), deep)
		if err != nil {
			return
		}
		for _, m := range ms {
			if m.Entry == nil || strings.HasPrefix(m.Entry.Path, "..") || filepath.IsAbs(m.Entry.Path) {
				t.Fatalf("%q matches %+v", pattern, m)
			}
			if _, err := os.Lstat(filepath.Join(dir, m.Entry.Path)); err != nil {
				t.Fatalf("%q matches %s, which is not there", pattern, m.Entry.Path)
			}
		}
	})
}

// TestHashAtOnce: two that select the same files at the same time.
func TestHashAtOnce(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 200 {
		files[strings.Repeat("d/", i%5)+"f"+strings.Repeat("x", i)] = strings.Repeat("y", i)
	}
	tree := openTree(t, makeTree(t, files), nil, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			es, err := tree.Walk(t.Context(), tree.Root(), nil)
			if err == nil {
				err = tree.Hash(t.Context(), es)
			}
			if err != nil {
				t.Error(err)
			}
			for _, e := range es {
				if e.IsRegular() && e.Digest != digest.FromString(files[e.Path]) {
					t.Errorf("%s has the digest %s", e.Path, e.Digest)
				}
			}
		})
	}
	wg.Wait()
}
