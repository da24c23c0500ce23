package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/builder/remotecache"
	"cove/distribution/copy/layout"
)

const mountBuild = "FROM base\nRUN --mount=type=cache,id=deps,target=/c write /x 1\n"

// counter is a hook that adds a line to a file of the cache mount at /c, and says how
// many there were.
func counter(t *testing.T, w *world) *int {
	t.Helper()
	seen := -1
	w.exec.hook = func(r ExecRequest) error {
		m, ok := mountAt(r, "/c")
		if !ok {
			return nil
		}
		name := filepath.Join(m.Source, "dir", "lines")
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			return err
		}
		old, _ := os.ReadFile(name)
		seen = strings.Count(string(old), "\n")
		return os.WriteFile(name, append(old, "line\n"...), 0o640)
	}
	return &seen
}

func mountCache(t *testing.T, dir string, quota int64) (to, from func(*Request)) {
	t.Helper()
	to = func(r *Request) {
		d, err := layout.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		r.CacheTo = []remotecache.To{{Name: dir, Target: d, Tag: "latest", Mounts: true, Quota: quota}}
	}
	return to, func(r *Request) {
		d, err := layout.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		r.CacheFrom = []remotecache.From{{Name: dir, Source: d, Ref: "latest", Mounts: true, Quota: quota}}
	}
}

// TestCacheMountsTravel: a second root begins with the files of the first, when it asks
// for them; who does not ask never sees them, on that root either.
func TestCacheMountsTravel(t *testing.T) {
	t.Parallel()
	to, from := mountCache(t, filepath.Join(t.TempDir(), "cache"), 1<<20)
	first, second := newWorld(t), newWorld(t)
	seen, then := counter(t, first), counter(t, second)
	first.must(mountBuild)
	if b := first.must(strings.Replace(mountBuild, "1", "2", 1), to); *seen != 1 || len(b.Warnings) > 0 {
		t.Errorf("on one root: %d lines, %v", *seen, b.Warnings)
	}
	steps := []struct {
		name, write string
		want        int
		opts        []func(*Request)
	}{
		{"asked for", "3", 2, []func(*Request){from}},
		{"not asked for", "4", 0, nil},
		{"asked for again", "5", 3, []func(*Request){from, to}},
		{"not asked for again", "6", 1, nil},
	}
	for _, s := range steps {
		b := second.must(strings.Replace(mountBuild, "1", s.write, 1), s.opts...)
		if *then != s.want || len(b.Warnings) > 0 {
			t.Errorf("%s: %d lines, want %d; %v", s.name, *then, s.want, b.Warnings)
		}
	}
	third := newWorld(t)
	seen = counter(t, third)
	if third.must(strings.Replace(mountBuild, "1", "7", 1), from); *seen != 4 {
		t.Errorf("on a third root: %d lines", *seen)
	}
}

// TestCacheMountsThatDoNotTravel: too large ones are left out and damaged ones begin
// empty, each with a warning; what no step needs is not read.
func TestCacheMountsThatDoNotTravel(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	small, _ := mountCache(t, dir, 100)
	to, from := mountCache(t, dir, 1<<20)
	first := newWorld(t)
	counter(t, first)
	if b := first.must(mountBuild, small); len(b.Warnings) != 1 || !strings.Contains(b.Warnings[0].Text, "mounts-quota") {
		t.Errorf("beyond the quota: %v", b.Warnings)
	}
	first.must(mountBuild, to)
	_, little := mountCache(t, dir, 10)
	second := newWorld(t)
	seen := counter(t, second)
	changed := strings.Replace(mountBuild, "1", "2", 1)
	if b := second.must(changed, little); *seen != 0 || len(b.Warnings) != 1 ||
		!strings.Contains(b.Warnings[0].Text, "mounts-quota") {
		t.Errorf("an import beyond the quota: %d lines, %v", *seen, b.Warnings)
	}
	damage(t, dir)
	third := newWorld(t)
	seen = counter(t, third)
	if b := third.must(mountBuild, from); *seen != -1 || len(b.Warnings) > 0 {
		t.Errorf("what is not needed: %d lines, %v", *seen, b.Warnings)
	}
	if b := third.must(changed, from); *seen != 0 || len(b.Warnings) != 1 ||
		!strings.Contains(b.Warnings[0].Text, "begins empty") {
		t.Errorf("a damaged chunk: %d lines, %v", *seen, b.Warnings)
	}
}

// damage changes the blobs of zstd in a layout: the chunks.
func damage(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(body), "\x28\xb5\x2f\xfd") {
			continue
		}
		body[len(body)-1] ^= 1
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Fatal("no chunks")
	}
}
