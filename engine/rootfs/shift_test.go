package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
)

// TestShift: below what is written to there is one copy, with the owners of the user
// namespace; what it has no id for is its root's, and modes and links stay.
func TestShift(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts an overlay and changes owners")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"lower", "one", "one/upper", "one/work"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, uid := range map[string]int{"root": 0, "seven": 7, "stranger": 5000} {
		file := at("lower/" + name)
		if err := errors.Join(os.WriteFile(file, []byte(name), 0o600), os.Chown(file, uid, uid),
			os.Chmod(file, 0o755|os.ModeSetuid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Link(at("lower/seven"), at("lower/again")), os.Symlink("seven", at("lower/link"))); err != nil {
		t.Fatal(err)
	}
	ids := []mount.IDRange{{Outside: 70_001, Size: 7}, {Inside: 7, Outside: 70_000, Size: 1}}
	m := mount.Mount{
		Type: "overlay", Lower: []string{at("lower")}, Upper: at("one/upper"), Work: at("one/work"),
		IDMap: mount.IDMap{UIDs: ids, GIDs: ids},
	}
	if err := Shift(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Lower) != 1 || !m.Shifted || filepath.Dir(m.Lower[0]) != at("one") {
		t.Fatalf("got %+v", m)
	}
	inode := map[string]uint64{}
	for name, uid := range map[string]uint32{"root": 70_001, "seven": 70_000, "again": 70_000, "stranger": 70_001, "link": 70_001} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(m.Lower[0], name), &st); err != nil {
			t.Error(err)
			continue
		}
		inode[name] = st.Ino
		if st.Uid != uid || st.Gid != uid || name != "link" && st.Mode&0o7777 != 0o4755 {
			t.Errorf("%s belongs to %d:%d, mode %o", name, st.Uid, st.Gid, st.Mode)
		}
	}
	if inode["seven"] != inode["again"] {
		t.Error("two names of one file are two files")
	}
	var st unix.Stat_t
	if err := unix.Lstat(m.Upper, &st); err != nil || st.Uid != 70_001 {
		t.Errorf("the upper directory belongs to %d, %v", st.Uid, err)
	}
	if !m.IDMap.Has(70_000, 70_007) || m.IDMap.Has(70_000, 0) || m.IDMap.Has(70_008, 70_001) {
		t.Error("which ids the namespace has is wrong")
	}
	if err := Shift(t.Context(), &mount.Mount{Type: "bind", IDMap: m.IDMap}); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("without an overlay: %v", err)
	}
}
