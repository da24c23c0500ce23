package files

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cove/layers/diff"
	"cove/layers/mount"
)

// TestWithoutWays: a directory that is in the upper layer only because something is
// mounted in it is no change; one with another mode, or with something else in it, is.
func TestWithoutWays(t *testing.T) {
	t.Parallel()
	m := mount.Mount{Type: "overlay", Upper: t.TempDir(), Lower: []string{t.TempDir()}}
	for _, dir := range []string{"etc", "run/lock", "var/cache", "srv"} {
		if err := os.MkdirAll(filepath.Join(m.Lower[0], dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"etc", "run/lock/x", "var/cache/x", "srv/a/b", "new/x"} {
		if err := os.MkdirAll(filepath.Join(m.Upper, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(m.Upper, "var/cache"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Upper, "srv/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{"etc/hosts": true, "run/lock/x": true, "var/cache/x": true, "srv/a/b": true, "new/x": true}
	all, err := diff.Changes(t.Context(), m, func(name string) bool { return own[name] })
	if err != nil {
		t.Fatal(err)
	}
	left, err := withoutWays(all, own, m)
	if err != nil {
		t.Fatal(err)
	}
	want := []diff.Change{
		{Kind: diff.Changed, Name: "/srv"},
		{Kind: diff.Added, Name: "/srv/file"},
		{Kind: diff.Changed, Name: "/var"},
		{Kind: diff.Changed, Name: "/var/cache"},
	}
	if !slices.Equal(left, want) {
		t.Errorf("%v, want %v", left, want)
	}
}
