package diff_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"cove/content/memstore"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/tree"
	tt "cove/layers/treetest"
	"cove/layers/whiteout"

	_ "cove/layers/compress/codec/linked"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func list(t *testing.T, data []byte) string {
	t.Helper()
	var names []string
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		name := hdr.Name
		if hdr.Typeflag == tar.TypeLink {
			name += "=" + hdr.Linkname
		}
		names = append(names, name)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func upper(t *testing.T) mount.Mount {
	t.Helper()
	dir := t.TempDir()
	m := mount.Mount{Type: "overlay", Lower: []string{filepath.Join(dir, "l")}, Upper: filepath.Join(dir, "u"), Work: filepath.Join(dir, "w")}
	for _, d := range []string{m.Lower[0], m.Upper, m.Work} {
		must(t, os.Mkdir(d, 0o755))
	}
	return m
}

func write(t *testing.T, m mount.Mount, opt diff.Options) string {
	t.Helper()
	var b bytes.Buffer
	_, err := diff.Write(t.Context(), &b, m, opt)
	must(t, err)
	return list(t, b.Bytes())
}

func TestUpper(t *testing.T) {
	tt.NeedRoot(t, "whiteout devices")
	m := upper(t)
	must(t, os.MkdirAll(filepath.Join(m.Lower[0], "old"), 0o755))
	for _, d := range []string{"old", "new", "plain"} {
		must(t, os.Mkdir(filepath.Join(m.Upper, d), 0o755))
		must(t, os.WriteFile(filepath.Join(m.Upper, d, "f"), nil, 0o644))
	}
	must(t, os.Link(filepath.Join(m.Upper, "new/f"), filepath.Join(m.Upper, "plain/g")))
	fd, err := tree.Open(m.Upper)
	must(t, err)
	defer unix.Close(fd)
	must(t, whiteout.Make(fd, "gone"))
	must(t, whiteout.MakeOpaque(fd, "old", false))
	must(t, whiteout.MakeOpaque(fd, "new", false))
	must(t, os.WriteFile(filepath.Join(m.Upper, "new/f"), []byte("12345"), 0o644)) // and plain/g
	if n, err := diff.Write(t.Context(), io.Discard, m, diff.Options{}); err != nil || n != 5 {
		t.Errorf("the files have %d bytes, %v; want 5", n, err)
	}
	got := write(t, m, diff.Options{})
	want := ".wh.gone new/ new/f old/ old/.wh..wh..opq old/f plain/ plain/f plain/g=new/f"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got = write(t, m, diff.Options{Skip: func(name string) bool { return name == "gone" || name == "old" }})
	if want := "new/ new/f plain/ plain/f plain/g=new/f"; got != want {
		t.Errorf("skipping: %s\nwant %s", got, want)
	}
	for _, attr := range []string{"trusted.overlay.redirect", "trusted.overlay.metacopy"} {
		must(t, unix.Setxattr(filepath.Join(m.Upper, "plain/f"), attr, []byte("x"), 0))
		_, err := diff.Write(t.Context(), io.Discard, m, diff.Options{})
		if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "plain/f") {
			t.Errorf("%s: %v", attr, err)
		}
		must(t, unix.Removexattr(filepath.Join(m.Upper, "plain/f"), attr))
	}
}

func TestTrees(t *testing.T) {
	dir := t.TempDir()
	older, newer := filepath.Join(dir, "o"), filepath.Join(dir, "n")
	when := time.Unix(1_500_000_000, 0)
	for _, top := range []string{older, newer} {
		must(t, os.MkdirAll(filepath.Join(top, "a/b/c"), 0o755))
		must(t, os.MkdirAll(filepath.Join(top, "same"), 0o755))
		must(t, os.WriteFile(filepath.Join(top, "a/b/f"), []byte("old"), 0o644))
		must(t, os.WriteFile(filepath.Join(top, "a/gone"), nil, 0o644))
		must(t, os.WriteFile(filepath.Join(top, "same/f"), []byte("x"), 0o644))
	}
	// The same size and, below, the same time.
	must(t, os.WriteFile(filepath.Join(newer, "a/b/f"), []byte("new"), 0o644))
	must(t, os.Remove(filepath.Join(newer, "a/gone")))
	must(t, os.Remove(filepath.Join(newer, "a/b/c")))
	must(t, os.WriteFile(filepath.Join(newer, "a/b/c"), nil, 0o644))
	for _, top := range []string{older, newer} {
		must(t, filepath.Walk(top, func(path string, _ os.FileInfo, err error) error {
			return errors.Join(err, os.Chtimes(path, when, when))
		}))
	}
	got := write(t, mount.Mount{Type: "bind", Source: newer, Lower: []string{older}}, diff.Options{})
	if want := "a/ a/b/ a/b/c a/b/f a/.wh.gone"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got = write(t, mount.Mount{Type: "bind", Source: newer}, diff.Options{})
	if want := "a/ a/b/ a/b/c a/b/f same/ same/f"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	_, err := diff.Write(t.Context(), io.Discard, mount.Mount{Type: "overlay", Lower: []string{older}}, diff.Options{})
	if !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a read-only mount: %v", err)
	}
}

func TestCommit(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), bytes.Repeat([]byte("abc"), 1<<20), 0o644))
	m := mount.Mount{Type: "bind", Source: dir}
	var plain bytes.Buffer
	n, err := diff.Write(ctx, &plain, m, diff.Options{})
	must(t, err)
	if n != 3<<20 {
		t.Errorf("the files have %d bytes, want %d", n, 3<<20)
	}
	for c, mediaType := range map[compress.Compression]string{
		"": ocispec.MediaTypeImageLayerGzip, compress.Zstd: ocispec.MediaTypeImageLayerZstd, compress.None: ocispec.MediaTypeImageLayer,
	} {
		store := memstore.New(time.Now)
		l, err := diff.Commit(ctx, store, m, diff.Options{Compress: compress.Options{Compression: c}})
		must(t, err)
		if l.Blob.MediaType != mediaType || l.DiffID != layers.DiffID(digest.FromBytes(plain.Bytes())) || l.Blob.Annotations[diff.AnnotationCompressor] == "" || l.FileBytes != n {
			t.Errorf("%q: %+v", c, l)
		}
		if got := unpacked(t, store, l.Blob); !bytes.Equal(got, plain.Bytes()) {
			t.Errorf("%q: the blob holds %d bytes of tar, want %d", c, len(got), plain.Len())
		}
		again, err := diff.FromTar(ctx, store, &plain, diff.Options{ID: "x", Compress: compress.Options{Compression: c}})
		if err != nil || again.Blob.Digest != l.Blob.Digest || again.DiffID != l.DiffID {
			t.Errorf("%q: from its tar %+v, %v", c, again, err)
		}
		plain.Reset()
		_, err = diff.Write(ctx, &plain, m, diff.Options{})
		must(t, err)
	}
}

func unpacked(t *testing.T, store *memstore.Store, desc ocispec.Descriptor) []byte {
	t.Helper()
	r, err := store.Open(t.Context(), desc)
	must(t, err)
	defer r.Close()
	zr, err := compress.NewReader(t.Context(), io.NewSectionReader(r, 0, r.Size()), compress.Limits{})
	must(t, err)
	defer zr.Close()
	data, err := io.ReadAll(zr)
	must(t, err)
	return data
}

func TestStream(t *testing.T) {
	store := memstore.New(time.Now)
	fill := func(w *archive.Writer) error {
		return w.Add(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o644, Size: 2, ModTime: time.Now()}, strings.NewReader("ab"))
	}
	opt := diff.Options{SourceDate: time.Unix(1_000_000_000, 0)}
	a, err := diff.Stream(t.Context(), store, opt, fill)
	must(t, err)
	time.Sleep(time.Millisecond)
	b, err := diff.Stream(t.Context(), store, opt, fill)
	must(t, err)
	if a.Blob.Digest != b.Blob.Digest || a.DiffID != b.DiffID {
		t.Errorf("%v and %v", a, b)
	}
	boom := errors.New("boom")
	_, err = diff.Stream(t.Context(), store, diff.Options{ID: "id"}, func(w *archive.Writer) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if err := store.Abort(context.Background(), "id"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a failed layer was left: %v", err)
	}
	if _, err := diff.Stream(t.Context(), store, diff.Options{Compress: compress.Options{Compression: compress.Xz}}, fill); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("xz: %v", err)
	}
}

// TestChangesOfAnOpaqueDirectory: what a directory had before it was made again is deleted,
// whichever layer it is of, unless it is there again or was hidden before.
func TestChangesOfAnOpaqueDirectory(t *testing.T) {
	t.Parallel()
	tt.NeedRoot(t, "whiteout devices")
	m := upper(t)
	top, bottom := m.Lower[0], filepath.Join(t.TempDir(), "bottom")
	m.Lower = append(m.Lower, bottom)
	for _, name := range []string{top + "/old/top", bottom + "/old/bottom", bottom + "/old/hidden", bottom + "/old/again"} {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, nil, 0o600))
	}
	made := filepath.Join(m.Upper, "old")
	must(t, os.Mkdir(made, 0o755))
	must(t, os.WriteFile(made+"/again", nil, 0o600))
	must(t, os.WriteFile(made+"/new", nil, 0o600))
	for dir, do := range map[string]func(fd int) error{
		top + "/old": func(fd int) error { return whiteout.Make(fd, "hidden") },
		m.Upper:      func(fd int) error { return whiteout.MakeOpaque(fd, "old", false) },
	} {
		fd, err := tree.Open(dir)
		must(t, err)
		must(t, do(fd))
		must(t, unix.Close(fd))
	}
	changes, err := diff.Changes(t.Context(), m, func(name string) bool { return name == "old/skipped" })
	must(t, err)
	got := ""
	for _, c := range changes {
		got += string(c.Kind) + " " + c.Name + "\n"
	}
	if want := "C /old\nC /old/again\nD /old/bottom\nA /old/new\nD /old/top\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
