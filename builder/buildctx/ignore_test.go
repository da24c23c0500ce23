package buildctx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func parseIgnore(t *testing.T, rules string) *Ignore {
	t.Helper()
	ig, err := ParseIgnore(".dockerignore", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return ig
}

// TestIgnoredFilesAreNotThere names files that the rules leave out in every way
// that a COPY can. A "!" rule with a wildcard let all of them in once.
func TestIgnoredFilesAreNotThere(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{
		".env": "secret", "src/a.go": "", "src/sub/b.go": "", "secret/key": "", "secret/deep/key": "", "link -> .env": "",
		"dirlink -> secret": "", "src/out -> ../.env": "", "src/ok -> a.go": "",
	})
	tree := openTree(t, dir, parseIgnore(t, "*\n!src/*\n!link\n!dirlink\n"), nil)
	for _, name := range []string{".env", "./.env", "secret", "secret/key", "secret/deep", "secret/", "link", "dirlink", "dirlink/key", "src/out", "src/../.env"} {
		_, err := tree.Glob(name, false)
		if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "not found in the build context; excluded by .dockerignore") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for pattern, want := range map[string]string{
		"*": "dirlink link src", ".e*": "", "secret/*": "error", "*/key": "", "s*": "src", "src/*": "src/a.go src/ok src/out src/sub",
		"**": "dirlink link src", "**/key": "", "src": "src",
	} {
		ms, err := tree.Glob(pattern, true)
		var names []string
		for _, m := range ms {
			names = append(names, m.Name)
			if m.Entry.Path == ".env" || strings.HasPrefix(m.Entry.Path, "secret") {
				t.Errorf("%s leads to %s", pattern, m.Entry.Path)
			}
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s names %q, want %q (%v)", pattern, got, want, err)
		}
	}
	all, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var walked []string
	for _, e := range all {
		walked = append(walked, e.Path)
	}
	if got := strings.Join(walked, " "); got != " dirlink link src src/a.go src/ok src/out src/sub src/sub/b.go" {
		t.Errorf("a walk finds %q", got)
	}
}

// TestIgnoreModel draws rules and trees, and holds every way to name a file
// against what the rules alone say of it.
func TestIgnoreModel(t *testing.T) {
	t.Parallel()
	const cases = 2000
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "b", "c.go", ".env", "src"}
	dir := makeTree(t, drawTree(names))
	var checked int
	for i := range cases {
		rules := drawRules(r, names)
		ig, err := ParseIgnore(".dockerignore", []byte(rules))
		if err != nil {
			continue
		}
		want := visible(t, dir, rules)
		tree, err := Open(dir, ig, nil)
		if err != nil {
			t.Fatal(err)
		}
		checked += compareWithModel(t, tree, dir, want, fmt.Sprintf("seed %d, case %d, rules %q", seed, i, rules))
		tree.Close()
		if t.Failed() {
			return
		}
	}
	t.Logf("seed %d: %d cases, %d names looked up, 0 wrong", seed, cases, checked)
}

// drawTree has every path of up to three names.
func drawTree(names []string) map[string]string {
	files := map[string]string{}
	for _, a := range names[:4] {
		files["f"+a] = ""
		for _, b := range names {
			files[a+"d/f"+b] = ""
			for _, c := range names[:3] {
				files[a+"d/"+b+"/"+c] = ""
			}
		}
	}
	return files
}

func drawRules(r *rand.Rand, names []string) string {
	var rules strings.Builder
	for range 1 + r.IntN(4) {
		if r.IntN(3) == 0 {
			rules.WriteByte('!')
		}
		for part := range 1 + r.IntN(3) {
			if part > 0 {
				rules.WriteByte('/')
			}
			name := names[r.IntN(len(names))]
			rules.WriteString([]string{"*", "**", "f" + name, name + "d", name, "f*", "*d", "?*", "*.go"}[r.IntN(9)])
		}
		rules.WriteByte('\n')
	}
	return rules.String()
}

// visible goes through the whole of dir with the matcher of docker's own client,
// as that client does, but skips nothing: a file is there unless the rules ignore
// it, a directory also when something below it is there.
func visible(t *testing.T, dir, rules string) map[string]bool {
	t.Helper()
	m, err := patternmatcher.New(strings.Fields(rules))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	results := map[string]patternmatcher.MatchInfo{}
	err = filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		rel, relErr := filepath.Rel(dir, p)
		if err != nil || relErr != nil || rel == "." {
			return errors.Join(err, relErr)
		}
		ignored, info, err := m.MatchesUsingParentResults(rel, results[path.Dir(rel)])
		results[rel] = info
		for up := rel; !ignored && up != "."; up = path.Dir(up) {
			seen[up] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func compareWithModel(t *testing.T, tree *Tree, dir string, want map[string]bool, what string) (checked int) {
	t.Helper()
	entries, err := tree.Walk(t.Context(), tree.Root(), nil)
	if err != nil {
		t.Fatal(err)
	}
	walked := map[string]bool{}
	for _, e := range entries[1:] {
		walked[e.Path] = true
	}
	_ = filepath.WalkDir(dir, func(p string, _ os.DirEntry, _ error) error {
		rel, _ := filepath.Rel(dir, p)
		if rel == "." {
			return nil
		}
		checked++
		_, errExact := tree.Glob(rel, false)
		last := path.Base(rel)
		byGlob, errGlob := tree.Glob(path.Join(path.Dir(rel), "["+last[:1]+"]"+last[1:]), false)
		named := errGlob == nil && slices.ContainsFunc(byGlob, func(m Match) bool { return m.Name == rel })
		e, errStat := tree.Lstat(rel)
		if got := [4]bool{errExact == nil, named, e != nil && errStat == nil, walked[rel]}; got != [4]bool{want[rel], want[rel], want[rel], want[rel]} {
			t.Errorf("%s: %s by name, glob, lstat and walk: %v, want %v", what, rel, got, want[rel])
		}
		return nil
	})
	return checked
}

// A directory that cannot be read does not matter when no rule leads into it.
func TestIgnoredDirectoriesAreNotRead(t *testing.T) {
	t.Parallel()
	dir := makeTree(t, map[string]string{"src/a": "", "big/x": ""})
	if err := unix.Mkfifo(filepath.Join(dir, "big/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir, parseIgnore(t, "*\n!src/*\n"), nil)
	if _, err := tree.Walk(t.Context(), tree.Root(), nil); err != nil {
		t.Fatal(err)
	}
	if ig := tree.ignore; ig.mayReturn("big") || !ig.mayReturn("src") || ig.mayReturn("sr") {
		t.Error("which directories a rule leads into")
	}
}
