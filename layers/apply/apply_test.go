package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	tt "cove/layers/treetest"
)

// unprivileged is what an ordinary user applies with.
func options() archive.Options { return archive.Options{Unprivileged: os.Geteuid() != 0} }

// stack applies layers, lowest first, in both ways and returns the directory
// merged, and the overlay's upper directories.
func stack(t *testing.T, ls ...[]byte) (merged string, uppers []string) {
	t.Helper()
	merged = t.TempDir()
	for i, data := range ls {
		if _, err := Apply(t.Context(), Target{Dir: merged}, bytes.NewReader(data), options()); err != nil {
			t.Fatalf("layer %d, merged: %v", i, err)
		}
	}
	if os.Geteuid() != 0 {
		return merged, nil
	}
	for i, data := range ls {
		dir := t.TempDir()
		if _, err := Apply(t.Context(), upperTarget(dir, uppers), bytes.NewReader(data), options()); err != nil {
			t.Fatalf("layer %d, overlay: %v", i, err)
		}
		uppers = append([]string{dir}, uppers...)
	}
	return merged, uppers
}

func upperTarget(dir string, lower []string) Target {
	to := Target{Dir: dir, Overlay: true}
	if len(lower) > 0 {
		to.Lower = func(context.Context) ([]string, error) { return lower, nil }
	}
	return to
}

// shown mounts the upper directories as the kernel would for a container.
func shown(t *testing.T, uppers []string) map[string]string {
	t.Helper()
	if len(uppers) == 1 {
		return tt.Describe(t, uppers[0])
	}
	dir := t.TempDir()
	if err := unix.Mount("overlay", dir, "overlay", unix.MS_RDONLY, "redirect_dir=off,metacopy=off,index=off,lowerdir="+strings.Join(uppers, ":")); err != nil {
		t.Skipf("needs overlay mounts: %v", err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	return tt.Describe(t, dir)
}

// stacks are stacks of layers with the names that must be left, and a few
// contents. Both ways of applying must show the same.
var stacks = []struct {
	name   string
	layers [][]tt.Entry
	want   string // the names, sorted, with a file's content after "="
}{
	{"plain", [][]tt.Entry{{tt.Dir("a"), tt.File("a/f", "1"), tt.Symlink("a/l", "f"), tt.Link("a/h", "a/f")}}, "a a/f=1 a/h=1 a/l"},
	{"no parents in the tar", [][]tt.Entry{{tt.File("a/b/c", "1")}}, "a a/b a/b/c=1"},
	{"replace a file", [][]tt.Entry{{tt.File("f", "1")}, {tt.File("f", "2")}}, "f=2"},
	{"twice in one layer", [][]tt.Entry{{tt.File("f", "1"), tt.File("f", "22")}}, "f=22"},
	{"whiteout a file", [][]tt.Entry{{tt.File("f", "1"), tt.File("g", "1")}, {tt.File(".wh.f", "")}}, "g=1"},
	{"whiteout a directory", [][]tt.Entry{{tt.Dir("d"), tt.File("d/f", "1")}, {tt.File(".wh.d", "")}}, ""},
	{"whiteout of nothing", [][]tt.Entry{{tt.File("f", "1")}, {tt.File(".wh.x", "")}}, "f=1"},
	{"whiteout in the first layer", [][]tt.Entry{{tt.File(".wh.x", ""), tt.File("f", "1")}}, "f=1"},
	{"whiteout after the new file", [][]tt.Entry{{tt.File("f", "1")}, {tt.File("f", "2"), tt.File(".wh.f", "")}}, "f=2"},
	{"whiteout before the new file", [][]tt.Entry{{tt.File("f", "1")}, {tt.File(".wh.f", ""), tt.File("f", "2")}}, "f=2"},
	{"whiteout before the new directory", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1")}, {tt.File(".wh.d", ""), tt.Dir("d"), tt.File("d/new", "2")}}, "d d/new=2"},
	{"whiteout after the new directory", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1")}, {tt.Dir("d"), tt.File("d/new", "2"), tt.File(".wh.d", "")}}, "d d/new=2"},
	{"whiteout of an implied directory", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1")}, {tt.File(".wh.d", ""), tt.File("d/new", "2")}}, "d d/new=2"},
	{"opaque first", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1"), tt.Dir("d/s"), tt.File("d/s/x", "1")}, {tt.Dir("d"), tt.File("d/.wh..wh..opq", ""), tt.File("d/new", "2")}}, "d d/new=2"},
	{"opaque last", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1"), tt.Dir("d/s"), tt.File("d/s/x", "1")}, {tt.Dir("d"), tt.File("d/s/y", "2"), tt.File("d/.wh..wh..opq", "")}}, "d d/s d/s/y=2"},
	{"opaque at the top", [][]tt.Entry{{tt.Dir("d"), tt.File("d/old", "1"), tt.File("f", "1")}, {tt.File("d/new", "2"), tt.File(".wh..wh..opq", "")}}, "d d/new=2"},
	{"opaque then back", [][]tt.Entry{{tt.File("d/a", "1")}, {tt.Dir("d"), tt.File("d/.wh..wh..opq", "")}, {tt.File("d/b", "3")}}, "d d/b=3"},
	{"whiteout then back", [][]tt.Entry{{tt.File("d/a", "1")}, {tt.File(".wh.d", "")}, {tt.File("d/b", "3")}}, "d d/b=3"},
	{"file becomes directory", [][]tt.Entry{{tt.File("d", "1")}, {tt.Dir("d"), tt.File("d/f", "2")}}, "d d/f=2"},
	{"directory becomes file", [][]tt.Entry{{tt.Dir("d"), tt.File("d/f", "1")}, {tt.File("d", "2")}}, "d=2"},
	{"directory becomes file becomes directory", [][]tt.Entry{{tt.Dir("d"), tt.File("d/f", "1")}, {tt.File("d", "2")}, {tt.Dir("d"), tt.File("d/g", "3")}}, "d d/g=3"},
	{"the same in one layer", [][]tt.Entry{{tt.Dir("d"), tt.File("d/f", "1")}, {tt.File("d", "2"), tt.Dir("d"), tt.File("d/g", "3")}}, "d d/g=3"},
	{"directory becomes link", [][]tt.Entry{{tt.Dir("bin"), tt.File("bin/sh", "1")}, {tt.Dir("usr"), tt.Dir("usr/bin"), tt.Symlink("bin", "usr/bin")}}, "bin usr usr/bin"},
	{"link becomes directory", [][]tt.Entry{{tt.Dir("t"), tt.File("t/f", "1"), tt.Symlink("d", "t")}, {tt.Dir("d"), tt.File("d/g", "2")}}, "d d/g=2 t t/f=1"},
	{"through a link of this layer", [][]tt.Entry{{tt.Dir("usr/bin"), tt.Symlink("bin", "usr/bin"), tt.File("bin/sh", "1")}}, "bin usr usr/bin usr/bin/sh=1"},
	{"through a link of a lower layer", [][]tt.Entry{{tt.Dir("usr/bin"), tt.Symlink("bin", "/usr/bin")}, {tt.File("bin/sh", "1")}}, "bin usr usr/bin usr/bin/sh=1"},
	{"whiteout through a link of a lower layer", [][]tt.Entry{{tt.File("usr/bin/sh", "1"), tt.Symlink("bin", "usr/bin")}, {tt.File("bin/.wh.sh", "")}}, "bin usr usr/bin"},
	{"through a dangling link of a lower layer", [][]tt.Entry{{tt.Symlink("bin", "usr/bin")}, {tt.File("bin/sh", "1")}}, "bin usr usr/bin usr/bin/sh=1"},
	{"link chain", [][]tt.Entry{{tt.Symlink("a", "b"), tt.Symlink("b", "c/../d"), tt.Dir("c"), tt.Dir("d")}, {tt.File("a/f", "1")}}, "a b c d d/f=1"},
	{"hard link to a lower file", [][]tt.Entry{{tt.File("x/f", "1")}, {tt.Link("h", "x/f")}}, "h=1 x x/f=1"},
	{"hard link to a lower file through a link", [][]tt.Entry{{tt.File("x/f", "1"), tt.Symlink("y", "x")}, {tt.Link("z/h", "y/f")}}, "x x/f=1 y z z/h=1"},
	{"hard link to a symbolic link", [][]tt.Entry{{tt.File("f", "1"), tt.Symlink("s", "f"), tt.Link("h", "s")}}, "f=1 h s"},
	{"hard link replaces", [][]tt.Entry{{tt.File("f", "1"), tt.File("h", "2"), tt.Link("h", "f")}}, "f=1 h=1"},
	{"hard link from within a directory replaced", [][]tt.Entry{{tt.File("f", "1"), tt.Dir("h"), tt.File("h/x", "2")}, {tt.Link("h", "f")}}, "f=1 h=1"},
	{"aufs's own files", [][]tt.Entry{{tt.File("f", "1"), tt.Dir(".wh..wh.plnk"), tt.File(".wh..wh.plnk/1.2", "x"), tt.File(".wh..wh.aufs", "")}}, "f=1"},
	{"absolute names", [][]tt.Entry{{tt.File("/a/f", "1"), tt.File("./b", "2")}}, "a a/f=1 b=2"},
	{"the top directory", [][]tt.Entry{{tt.Dir("./"), tt.File("f", "1")}}, "f=1"},
}

func TestStacks(t *testing.T) {
	for _, tc := range stacks {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var ls [][]byte
			for _, entries := range tc.layers {
				ls = append(ls, tt.Tar(t, entries...))
			}
			merged, uppers := stack(t, ls...)
			got := tt.Describe(t, merged)
			if list := listing(t, merged); list != tc.want {
				t.Errorf("merged: %s\nwant    %s", list, tc.want)
			}
			if uppers != nil {
				if d := tt.Diff(got, shown(t, uppers)); d != "" {
					t.Errorf("overlay differs from merged:\n%s", d)
				}
			}
		})
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(data)
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestMeta(t *testing.T) {
	tt.NeedRoot(t, "owners, devices and attributes")
	when := time.Unix(1_600_000_000, 123456789)
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	xattr := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[archive.XattrPrefix+kv[i]] = kv[i+1]
		}
		return m
	}
	data := tt.Tar(t,
		tt.Entry{Header: tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o3775, Uid: 7, Gid: 8, ModTime: when, Format: tar.FormatPAX, PAXRecords: xattr("user.d", "1", "trusted.overlay.opaque", "y", "user.overlay.opaque", "y", "trusted.x", "1", "security.selinux", "l")}},
		tt.Entry{Header: tar.Header{Name: "d/suid", Mode: 0o6755, Uid: 3_000_000_000, Gid: 4, ModTime: when, Format: tar.FormatPAX, PAXRecords: xattr("security.capability", capability, "user.mime", "a\x01b")}, Body: "x"},
		tt.Entry{Header: tar.Header{Name: "d/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}},
		tt.Entry{Header: tar.Header{Name: "d/loop", Typeflag: tar.TypeBlock, Mode: 0o660, Gid: 6, Devmajor: 7, Devminor: 300}},
		tt.Entry{Header: tar.Header{Name: "d/fifo", Typeflag: tar.TypeFifo, Mode: 0o622}},
		tt.Entry{Header: tar.Header{Name: "d/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd", Uid: 9}},
		tt.File("d/"+strings.Repeat("n", 255), "long"),
	)
	merged, uppers := stack(t, data)
	got := tt.Describe(t, merged)
	if d := tt.Diff(got, tt.Describe(t, uppers[0])); d != "" {
		t.Errorf("the two ways differ:\n%s", d)
	}
	for name, want := range map[string]string{
		"d":      `0043775 7:8 t=1600000000 user.d="1"`,
		"d/suid": `0106755 3000000000:4 t=1600000000 1 2d711642b726b044 security.capability="` + `\x01\x00\x00\x02\x00\x04` + strings.Repeat(`\x00`, 14) + `" user.mime="a\x01b"`,
		"d/null": "0020666 0:0 t=1700000000 dev=1:3",
		"d/loop": "0060660 0:6 t=1700000000 dev=7:300",
		"d/fifo": "0010622 0:0 t=1700000000",
		"d/l":    "0120777 9:0 t=1700000000 -> /etc/passwd",
	} {
		if got[name] != want {
			t.Errorf("%s:\n%s, want\n%s", name, got[name], want)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(merged, "d/suid"), &st); err != nil || st.Mtim.Nsec != 123456789 {
		t.Errorf("mtime %d ns, %v", st.Mtim.Nsec, err)
	}
}

// A directory whose entry stays as it was keeps its time, whatever happens in it.
func TestParentTimes(t *testing.T) {
	merged, uppers := stack(t,
		tt.Tar(t, tt.Dir("a"), tt.Dir("a/b"), tt.File("a/b/f", "1"), tt.File("a/g", "1")),
		tt.Tar(t, tt.File("a/b/new", "2"), tt.File("a/.wh.g", "")))
	for _, dir := range append([]string{merged}, uppers...) {
		for _, name := range []string{"a", "a/b"} {
			fi, err := os.Stat(filepath.Join(dir, name))
			if err != nil || !fi.ModTime().Equal(tt.Time) {
				t.Errorf("%s/%s: %v, %v", dir, name, fi.ModTime(), err)
			}
		}
	}
}

func TestDiffID(t *testing.T) {
	data := append(tt.Tar(t, tt.File("f", "1")), bytes.Repeat([]byte{0}, 7000)...)
	res, err := Apply(t.Context(), Target{Dir: t.TempDir()}, bytes.NewReader(data), options())
	if err != nil {
		t.Fatal(err)
	}
	if want := layers.DiffID(digest.FromBytes(data)); res.DiffID != want || res.Bytes != int64(len(data)) || res.Entries != 1 {
		t.Errorf("%+v, want diffID %s of %d bytes", res, want, len(data))
	}
	if err := Verify(res, layers.Layer{DiffID: res.DiffID}); err != nil {
		t.Error(err)
	}
	if err := Verify(res, layers.Layer{DiffID: "sha256:0"}); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

func TestLowerIsAskedOnlyWhenNeeded(t *testing.T) {
	tt.NeedRoot(t, "whiteout devices")
	to := Target{Dir: t.TempDir(), Overlay: true, Lower: func(context.Context) ([]string, error) {
		t.Error("a layer that has all its parents need not wait for those below")
		return nil, nil
	}}
	data := tt.Tar(t, tt.Dir("a"), tt.File("a/f", "1"), tt.File("a/.wh.g", ""), tt.Link("a/h", "a/f"), tt.File("a/.wh..wh..opq", ""))
	if _, err := Apply(t.Context(), to, bytes.NewReader(data), options()); err != nil {
		t.Error(err)
	}
}

func TestSparse(t *testing.T) {
	body := strings.Repeat("x", 100<<10) + strings.Repeat("\x00", 8<<20) + "end" + strings.Repeat("\x00", 1<<20)
	dir := t.TempDir()
	if _, err := Apply(t.Context(), Target{Dir: dir}, bytes.NewReader(tt.Tar(t, tt.File("f", body))), options()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil || string(got) != body {
		t.Fatalf("content differs, %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "f"), &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("9 MiB of zeros take %d KiB, %v", st.Blocks/2, err)
	}
}
