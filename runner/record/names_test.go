package record

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/ids"
	"cove/internal/process"
)

// TestCleanNamesByMany: cleaners who come at once do not fail because another was
// faster, and a name that is in use stays.
func TestCleanNamesByMany(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	living := ids.New()
	if err := os.MkdirAll(string(Of(root, living)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Claim(root, "living", living); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := Claim(root, "gone"+strconv.Itoa(i), ids.New()); err != nil {
			t.Fatal(err)
		}
		left := nameFile(root, "half"+strconv.Itoa(i)) + "." + ids.New()
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := CleanNames(root); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(filepath.Dir(nameFile(root, "x")))
	if err != nil || len(entries) != 1 || entries[0].Name() != "living" {
		t.Errorf("left: %v, %v; want living alone", entries, err)
	}
}

// TestRemovalThatFails leaves the half of a record to whoever comes next, also while the process
// that failed lives.
func TestRemovalThatFails(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	root, id := t.TempDir(), strings.Repeat("ab", 32)
	d := Of(root, id)
	busy := d.Path("busy")
	if err := os.MkdirAll(busy, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", busy, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(Containers(root), RemovingPrefix+id)
	t.Cleanup(func() { _ = unix.Unmount(left+"/busy", unix.MNT_DETACH) })
	if err := d.Remove(); err == nil {
		t.Fatal("a mount was removed")
	}
	if _, err := os.Lstat(left); err != nil {
		t.Error(err)
	}
	for name, half := range map[string]bool{
		filepath.Base(left): true, RemovingPrefix + process.Tag() + "-" + id: false, CreatingPrefix + process.Tag() + "-" + id: false,
	} {
		if tag, ok := Half(name); !ok || process.TagEnded(tag) != half {
			t.Errorf("%s: %q, %v", name, tag, ok)
		}
	}
	if _, ok := Half(id); ok {
		t.Error("a whole record")
	}
}
