package rootfs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	_ "cove/layers/compress/codec/linked"
)

// seeds are archives that try to get out, and one that does not.
func seeds(f *testing.F) {
	for _, all := range [][]tar.Header{
		{{Name: "a", Typeflag: tar.TypeReg}, {Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{{Name: "../out", Typeflag: tar.TypeReg}},
		{{Name: "/../../out", Typeflag: tar.TypeReg}},
		{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "l/out", Typeflag: tar.TypeReg}},
		{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/"}, {Name: "l/out", Typeflag: tar.TypeReg}},
		{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../secret"}, {Name: "h", Typeflag: tar.TypeReg}},
		{{Name: "up/secret", Typeflag: tar.TypeReg}, {Name: "up", Typeflag: tar.TypeReg}},
		{{Name: "disk", Typeflag: tar.TypeBlock, Mode: 0o600, Devmajor: 1 << 20, Devminor: 1 << 20}, {Name: "disk", Typeflag: tar.TypeFifo}},
		{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../out"}}, {Name: "a", Typeflag: tar.TypeReg}},
		{{Name: strings.Repeat("d/", 300) + "deep", Typeflag: tar.TypeReg}, {Name: strings.Repeat("n", 300), Typeflag: tar.TypeReg}},
		{{Name: "x", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("x", 1<<17), "SCHILY.xattr.trusted.overlay.opaque": "y"}}},
	} {
		var b bytes.Buffer
		zipped := gzip.NewWriter(&b)
		w := tar.NewWriter(zipped)
		for _, hdr := range all {
			if err := w.WriteHeader(&hdr); err != nil {
				f.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), zipped.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		plain, err := gzip.NewReader(&b)
		if err != nil {
			f.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(plain); err != nil {
			f.Fatal(err)
		}
		f.Add(text.Bytes())
	}
}

// FuzzExtract has no archive that is copied into a container's directory change anything
// outside of the container's root, whose files lead out of it.
func FuzzExtract(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir := t.TempDir()
		root := filepath.Join(dir, "root")
		err := errors.Join(os.MkdirAll(filepath.Join(root, "to"), 0o755), os.WriteFile(filepath.Join(dir, "secret"), []byte("kept"), 0o600),
			os.Symlink("../..", filepath.Join(root, "to", "up")), os.Symlink(dir, filepath.Join(root, "to", "abs")))
		if err != nil {
			t.Fatal(err)
		}
		fd, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		_ = Extract(context.WithoutCancel(t.Context()), Root{FD: fd}, "/to", bytes.NewReader(archive), ExtractOptions{}) // whether it is one is not asked
		text, err := os.ReadFile(filepath.Join(dir, "secret"))
		info, serr := os.Lstat(filepath.Join(dir, "secret"))
		entries, derr := os.ReadDir(dir)
		if err != nil || serr != nil || derr != nil || string(text) != "kept" || info.Mode() != 0o600 || len(entries) != 2 {
			t.Errorf("outside of the root there is %q (%v, %v), %v: %v %v", text, info, serr, entries, err, derr)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink != 1 {
			t.Errorf("a link in the root leads to what is outside")
		}
		if _, err := os.Lstat("/out"); !errors.Is(err, fs.ErrNotExist) {
			t.Error("something was made in the root of the host")
		}
	})
}
