package diff_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"cove/layers/apply"
	"cove/layers/archive"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
	"cove/layers/tree"
	tt "cove/layers/treetest"
)

func options() archive.Options { return archive.Options{Unprivileged: os.Geteuid() != 0} }

// op is one random change of a tree. It may fail, as a user's would: what
// matters is that all trees that it is made to are alike.
type op struct {
	kind, name, other string
	n                 int
}

var kinds = []string{
	"write", "write", "write", "append", "mkdir", "mkdir", "remove", "removeall", "symlink", "link",
	"rename", "chmod", "chown", "xattr", "fifo", "sparse", "touch",
}

func drawName(t *rapid.T, label string) string {
	n := rapid.IntRange(1, 3).Draw(t, label+" depth")
	var comps []string
	for range n {
		comps = append(comps, rapid.SampledFrom([]string{"a", "b", "c", "D", "ü"}).Draw(t, label))
	}
	return strings.Join(comps, "/")
}

func drawOps(t *rapid.T, label string) []op {
	var ops []op
	for range rapid.IntRange(0, 25).Draw(t, label) {
		ops = append(ops, op{
			kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			name:  drawName(t, "name"),
			other: drawName(t, "other"),
			n:     rapid.IntRange(0, 5000).Draw(t, "n"),
		})
	}
	return ops
}

// do changes the tree at dir. Times are given, so that two trees that are
// changed alike are alike.
func do(t testing.TB, dir string, ops []op) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for i, o := range ops {
		_ = o.apply(root)
		when := time.Unix(int64(1_600_000_000+o.n+i), 0)
		if fi, err := root.Lstat(o.name); err == nil && fi.Mode()&os.ModeSymlink == 0 {
			_ = root.Chtimes(o.name, when, when)
		}
	}
}

func (o op) apply(root *os.Root) error {
	if fi, err := root.Stat(o.name); err == nil && fi.Mode()&os.ModeNamedPipe != 0 && o.kind != "remove" {
		return nil // opening it would wait for the other end
	}
	switch o.kind {
	case "write":
		_ = root.MkdirAll(filepath.Dir(o.name), 0o755)
		return root.WriteFile(o.name, bytes.Repeat([]byte{byte(o.n)}, o.n), 0o644)
	case "append":
		f, err := root.OpenFile(o.name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("more")
		return err
	case "mkdir":
		return root.MkdirAll(o.name, 0o755)
	case "remove":
		return root.Remove(o.name)
	case "removeall":
		return root.RemoveAll(o.name)
	case "symlink":
		return root.Symlink(o.other, o.name)
	case "link":
		return root.Link(o.other, o.name)
	case "rename":
		return root.Rename(o.other, o.name)
	case "chmod":
		return root.Chmod(o.name, os.FileMode(0o700|o.n%0o100)|os.FileMode(o.n%2)*os.ModeSetuid)
	case "chown":
		return root.Lchown(o.name, o.n%7, o.n)
	case "sparse":
		f, err := root.OpenFile(o.name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(int64(o.n) * 100)
	case "xattr", "fifo":
		return o.inDir(root)
	}
	return nil
}

// inDir does what os.Root cannot.
func (o op) inDir(root *os.Root) error {
	if fi, err := root.Stat(filepath.Dir(o.name)); err != nil || !fi.IsDir() {
		return err
	}
	parent, err := root.Open(filepath.Dir(o.name))
	if err != nil {
		return err
	}
	defer parent.Close()
	fd, base := int(parent.Fd()), filepath.Base(o.name)
	if o.kind == "fifo" {
		return unix.Mknodat(fd, base, unix.S_IFIFO|0o644, 0)
	}
	return tree.SetXattr(fd, base, "user.k", []byte(fmt.Sprint(o.n)))
}

// setTimes gives symbolic links, whose time an os.Root cannot set, and
// directories, whose time follows what happens in them, one time each, and
// files whole seconds, which is what a layer keeps.
func setTimes(t testing.TB, dir string) {
	t.Helper()
	err := filepath.Walk(dir+"/.", func(path string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		ts := unix.Timespec{Sec: fi.ModTime().Unix()}
		if fi.IsDir() || fi.Mode()&os.ModeSymlink != 0 {
			ts.Sec = 1_600_000_000
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func tempDir(t *rapid.T) string {
	dir, err := os.MkdirTemp("", "cove-diff-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func mkdir(t *rapid.T, elem ...string) string {
	dir := filepath.Join(elem...)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyTree(t *rapid.T, src, dst string) {
	in, err := tree.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(in)
	out, err := tree.Open(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(out)
	if err := tree.Copy(in, out); err != nil {
		t.Fatal(err)
	}
}

func applyTo(t *rapid.T, to apply.Target, data []byte) {
	if _, err := apply.Apply(context.Background(), to, bytes.NewReader(data), options()); err != nil {
		t.Fatal(err)
	}
}

func writeDiff(t *rapid.T, m mount.Mount) []byte {
	var b bytes.Buffer
	if _, err := diff.Write(context.Background(), &b, m, diff.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A tree, changed, is the tree with the layer of the change applied: for two
// trees side by side.
func TestTreesRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { treesRoundTrip(t, rt) })
}

func treesRoundTrip(t testing.TB, rt *rapid.T) {
	dir := tempDir(rt)
	older, newer, got := mkdir(rt, dir, "older"), mkdir(rt, dir, "newer"), mkdir(rt, dir, "got")
	do(rtb{t, rt}, older, drawOps(rt, "base"))
	setTimes(rtb{t, rt}, older)
	copyTree(rt, older, newer)
	copyTree(rt, older, got)
	do(rtb{t, rt}, newer, drawOps(rt, "change"))
	setTimes(rtb{t, rt}, newer)
	data := writeDiff(rt, mount.Mount{Type: "bind", Source: newer, Lower: []string{older}})
	applyTo(rt, apply.Target{Dir: got}, data)
	if d := tt.Diff(tt.Describe(rtb{t, rt}, newer), tt.Describe(rtb{t, rt}, got)); d != "" {
		rt.Errorf("after the layer:\n%s", d)
	}
	if data := writeDiff(rt, mount.Mount{Type: "bind", Source: got, Lower: []string{newer}}); len(data) != 1024 {
		rt.Errorf("equal trees differ by %d bytes of tar", len(data))
	}
}

// The same for an overlay: what the kernel put into the upper directory,
// applied to an upper and to a merged directory, shows what the mount showed.
func TestOverlayRoundTrip(t *testing.T) {
	if err := overlay.Supported(t.TempDir()); err != nil {
		t.Skipf("needs root: %v", err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir := tempDir(rt)
		base, second := mkdir(rt, dir, "base"), mkdir(rt, dir, "second")
		m := mount.Mount{
			Type: "overlay", Options: []string{"redirect_dir=off", "metacopy=off", "index=off"},
			Lower: []string{second, base}, Upper: mkdir(rt, dir, "upper"), Work: mkdir(rt, dir, "work"),
		}
		do(rtb{t, rt}, base, drawOps(rt, "base"))
		setTimes(rtb{t, rt}, base)
		do(rtb{t, rt}, second, drawOps(rt, "second"))
		setTimes(rtb{t, rt}, second)
		var want map[string]string
		change := drawOps(rt, "change")
		show(rt, m, func(view string) {
			do(rtb{t, rt}, view, change)
			want = tt.Describe(rtb{t, rt}, view+"/.")
		})
		data := writeDiff(rt, m)

		merged := mkdir(rt, dir, "merged")
		below := mount.Mount{Type: "overlay", Lower: m.Lower, ReadOnly: true}
		show(rt, below, func(view string) { copyTree(rt, view+"/.", merged) })
		applyTo(rt, apply.Target{Dir: merged}, data)
		if d := tt.Diff(want, tt.Describe(rtb{t, rt}, merged)); d != "" {
			rt.Errorf("merged:\n%s", d)
		}

		again := m
		again.Upper, again.Work = mkdir(rt, dir, "upper2"), mkdir(rt, dir, "work2")
		applyTo(rt, apply.TargetOf(again), data)
		show(rt, again, func(view string) {
			if d := tt.Diff(want, tt.Describe(rtb{t, rt}, view+"/.")); d != "" {
				rt.Errorf("overlay:\n%s", d)
			}
		})
		if second := writeDiff(rt, again); !bytes.Equal(data, second) {
			rt.Error("the diff of what was applied is another")
		}
	})
}

func show(t *rapid.T, m mount.Mount, fn func(view string)) {
	err := overlay.With(context.Background(), m, func(dir string) error { fn(dir); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// rtb lets a rapid run use helpers that want a testing.TB.
type rtb struct {
	testing.TB
	rt *rapid.T
}

func (r rtb) Helper()           {}
func (r rtb) Fatal(args ...any) { r.rt.Fatal(args...) }

// FuzzRoundTrip is TestTreesRoundTrip with changes that the fuzzer chooses.
func FuzzRoundTrip(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(rt *rapid.T) { treesRoundTrip(f, rt) }))
}
