package reserve

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFile takes the room, gives it up once, and takes it again when there is
// room; a disk that is full keeps no half of it.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("needs root: mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r := In(dir)
	for range 2 {
		if err := r.Fill(); err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(r.name, &st); err != nil || st.Blocks*512 < size {
		t.Errorf("%d blocks, %v", st.Blocks, err)
	}
	if first, second := r.Release(), r.Release(); !first || second {
		t.Errorf("released %v, then %v", first, second)
	}
	if err := os.WriteFile(dir+"/other", make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Fill(); !IsFull(err) {
		t.Errorf("on a full disk: %v", err)
	}
	if _, err := os.Stat(r.name); !os.IsNotExist(err) {
		t.Errorf("on a full disk there is a reserve: %v", err)
	}
	if err := os.Remove(dir + "/other"); err != nil {
		t.Fatal(err)
	}
	if err := r.Fill(); err != nil {
		t.Error(err)
	}
}
