package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/archive"
	tt "cove/layers/treetest"
)

func options() archive.Options { return archive.Options{Unprivileged: os.Geteuid() != 0} }

// headers lists an archive.
func headers(t *testing.T, data []byte) (list []*tar.Header) {
	t.Helper()
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, hdr)
	}
}

// sample makes a tree with a little of everything.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	old := time.Unix(1_500_000_000, 500)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "z/y"), 0o750))
	must(os.WriteFile(filepath.Join(dir, "z/y/f"), []byte("hello"), 0o640))
	must(os.Link(filepath.Join(dir, "z/y/f"), filepath.Join(dir, "a-link")))
	must(os.Symlink("../nowhere", filepath.Join(dir, "z/s")))
	must(os.WriteFile(filepath.Join(dir, strings.Repeat("ü", 60)), nil, 0o600))
	must(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	f, err := os.Create(filepath.Join(dir, "sparse"))
	must(err)
	must(f.Truncate(4 << 20))
	_, err = f.WriteAt([]byte("middle"), 2<<20)
	must(err)
	must(f.Close())
	for _, name := range []string{"z/y/f", "z/y", "z", "sparse", "fifo"} {
		must(os.Chtimes(filepath.Join(dir, name), old, old))
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")}))
	must(unix.Close(fd))
	return dir
}

func TestRoundTrip(t *testing.T) {
	src, dst := sample(t), t.TempDir()
	var b bytes.Buffer
	if err := archive.Pack(t.Context(), &b, src, archive.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := archive.Extract(t.Context(), dst, bytes.NewReader(b.Bytes()), options()); err != nil {
		t.Fatal(err)
	}
	want := tt.Describe(t, src)
	delete(want, "socket")
	if d := tt.Diff(want, tt.Describe(t, dst)); d != "" {
		t.Error(d)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dst, "sparse"), &st); err != nil || st.Blocks*512 > 256<<10 {
		t.Errorf("the sparse file takes %d KiB, %v", st.Blocks/2, err)
	}
	// Once more: the same tree is the same bytes.
	var again bytes.Buffer
	if err := archive.Pack(t.Context(), &again, dst, archive.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("packing the copy gives another archive")
	}
}

// What other tars read must be what we wrote.
func TestPeers(t *testing.T) {
	src := sample(t)
	var b bytes.Buffer
	if err := archive.Pack(t.Context(), &b, src, archive.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	dst := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tar", "-x", "-p", "--numeric-owner", "-C", dst)
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	want := tt.Describe(t, src)
	delete(want, "socket")
	if d := tt.Diff(want, tt.Describe(t, dst)); d != "" {
		t.Error(d)
	}
	for _, format := range []string{"gnu", "posix", "ustar"} {
		for _, sparse := range []string{"--sparse", "--no-recursion"} {
			args := []string{"-c", "--format=" + format, "-C", src}
			files := []string{"z", "z/y", "z/y/f", "a-link", "z/s", "sparse", "fifo"}
			if sparse == "--sparse" {
				args = append(args, sparse)
			}
			data, err := exec.CommandContext(t.Context(), "tar", append(append(args, "--no-recursion"), files...)...).Output()
			if err != nil {
				if format == "ustar" {
					continue
				}
				t.Fatal(err)
			}
			dst := t.TempDir()
			if err := archive.Extract(t.Context(), dst, bytes.NewReader(data), options()); err != nil {
				t.Errorf("%s %s: %v", format, sparse, err)
			}
			want := tt.Describe(t, src)
			delete(want, "socket")
			delete(want, strings.Repeat("ü", 60))
			if d := tt.Diff(want, tt.Describe(t, dst)); d != "" {
				t.Errorf("%s %s:\n%s", format, sparse, d)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	epoch := time.Unix(1_400_000_000, 0)
	var b bytes.Buffer
	w := archive.NewWriter(&b, archive.PackOptions{Prefix: "rootfs", SourceDate: epoch})
	err := errors.Join(
		w.Add(&tar.Header{Typeflag: tar.TypeDir, Name: "/d/", Mode: 0o40755, Uname: "me", Gname: "us"}, nil),
		w.Add(&tar.Header{
			Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o100644, Size: 3, Uid: 5_000_000, ModTime: time.Unix(1_500_000_000, 7), AccessTime: time.Now(), ChangeTime: time.Now(),
			PAXRecords: map[string]string{archive.XattrPrefix + "user.k": "v", archive.XattrPrefix + "trusted.overlay.opaque": "y", "comment": "x"},
		}, strings.NewReader("abcdef")),
		w.Add(&tar.Header{Typeflag: tar.TypeLink, Name: "d/h", Linkname: "d/f"}, nil),
		w.Add(&tar.Header{Typeflag: tar.TypeSymlink, Name: "d/s", Linkname: "/d/f"}, nil),
		w.Close())
	if err != nil {
		t.Fatal(err)
	}
	hs := headers(t, b.Bytes())
	for i, want := range []struct{ name, link string }{{"rootfs/d/", ""}, {"rootfs/d/f", ""}, {"rootfs/d/h", "rootfs/d/f"}, {"rootfs/d/s", "/d/f"}} {
		if h := hs[i]; h.Name != want.name || h.Linkname != want.link || h.Uname != "" || h.Gname != "" || !h.AccessTime.IsZero() {
			t.Errorf("%+v, want %v", h, want)
		}
	}
	if f := hs[1]; !f.ModTime.Equal(epoch) || f.Uid != 5_000_000 || f.Mode != 0o644 ||
		f.PAXRecords[archive.XattrPrefix+"user.k"] != "v" || f.PAXRecords[archive.XattrPrefix+"trusted.overlay.opaque"] != "" || f.PAXRecords["comment"] != "" {
		t.Errorf("%+v", f)
	}
	if hs[0].Format != tar.FormatUSTAR {
		t.Errorf("a plain directory needs no %v", hs[0].Format)
	}
	if err := archive.NewWriter(io.Discard, archive.PackOptions{}).Add(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Size: 5}, strings.NewReader("abc")); err == nil {
		t.Error("a body that is too short went unnoticed")
	}
	if err := archive.NewWriter(io.Discard, archive.PackOptions{}).Add(&tar.Header{Name: "../f"}, nil); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a name with ..: %v", err)
	}
}

func TestSkipAndRewrite(t *testing.T) {
	src := sample(t)
	var b bytes.Buffer
	err := archive.Pack(t.Context(), &b, src, archive.PackOptions{Skip: func(name string) bool { return name == "z/y" || name == "sparse" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers(t, b.Bytes()) {
		if strings.HasPrefix(h.Name, "z/y") || h.Name == "sparse" {
			t.Errorf("%s was not skipped", h.Name)
		}
	}
	dst := t.TempDir()
	opt := options()
	opt.Rewrite = func(h *tar.Header) bool { h.Name = "sub/" + h.Name; return h.Typeflag == tar.TypeDir }
	if err := archive.Extract(t.Context(), dst, &b, opt); err != nil {
		t.Fatal(err)
	}
	if got := tt.Describe(t, dst); len(got) != 2 || got["sub/z"] == "" {
		t.Errorf("%v", got)
	}
}

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		lim     archive.Limits
		entries []tt.Entry
		kind    error
	}{
		"entries":     {archive.Limits{Entries: 2}, []tt.Entry{tt.File("a", ""), tt.File("b", ""), tt.File("c", "")}, errdefs.ErrExhausted},
		"bytes":       {archive.Limits{Bytes: 5}, []tt.Entry{tt.File("a", "123"), tt.File("b", "123")}, errdefs.ErrExhausted},
		"name":        {archive.Limits{}, []tt.Entry{tt.File(strings.Repeat("a/", 3000)+"f", "")}, errdefs.ErrExhausted},
		"depth":       {archive.Limits{}, []tt.Entry{tt.File(strings.Repeat("a/", 300)+"f", "")}, errdefs.ErrExhausted},
		"link target": {archive.Limits{}, []tt.Entry{tt.Symlink("a", strings.Repeat("b", 5000))}, errdefs.ErrExhausted},
		"component":   {archive.Limits{}, []tt.Entry{tt.File(strings.Repeat("a", 256), "")}, errdefs.ErrInvalid},
		"attributes":  {archive.Limits{XattrBytes: 10}, []tt.Entry{{Header: tar.Header{Name: "f", PAXRecords: map[string]string{archive.XattrPrefix + "user.a": "0123456789"}}}}, errdefs.ErrExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			opt := options()
			opt.Limits = tc.lim
			last := tc.entries[len(tc.entries)-1].Name
			err := archive.Extract(t.Context(), t.TempDir(), bytes.NewReader(tt.Tar(t, tc.entries...)), opt)
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), last[:1]) {
				t.Errorf("%v, want %v naming the entry", err, tc.kind)
			}
			opt.Limits = archive.Limits{Entries: -1, Bytes: -1, NameBytes: -1, Depth: 1000, XattrBytes: -1}
			if name == "entries" || name == "bytes" || name == "depth" {
				if err := archive.Extract(t.Context(), t.TempDir(), bytes.NewReader(tt.Tar(t, tc.entries...)), opt); err != nil {
					t.Errorf("without the limit: %v", err)
				}
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	data := tt.Tar(t, tt.File("a", strings.Repeat("x", 5000)), tt.File("b", "y"))
	for _, n := range []int{100, 512, 700, 5000} {
		err := archive.Extract(t.Context(), t.TempDir(), bytes.NewReader(data[:n]), options())
		if !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("cut at %d: %v, want ErrInvalid", n, err)
		}
	}
	if err := archive.Extract(t.Context(), t.TempDir(), strings.NewReader("this is no archive at all"+strings.Repeat(" ", 600)), options()); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no archive: %v", err)
	}
	if err := archive.Extract(t.Context(), filepath.Join(t.TempDir(), "none"), bytes.NewReader(data), options()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestKeepKinds has a directory and what is none take each other's place, or not.
func TestKeepKinds(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		for kind, hdr := range map[string]*tar.Header{
			"file over directory": {Name: "dir", Typeflag: tar.TypeReg, Mode: 0o644},
			"link over directory": {Name: "dir", Typeflag: tar.TypeSymlink, Linkname: "x"},
			"directory over file": {Name: "file", Typeflag: tar.TypeDir, Mode: 0o755},
		} {
			dir := t.TempDir()
			if err := errors.Join(os.Mkdir(filepath.Join(dir, "dir"), 0o755), os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			if err := errors.Join(w.WriteHeader(hdr), w.Close()); err != nil {
				t.Fatal(err)
			}
			o := options()
			o.KeepKinds = keep
			err := archive.Extract(t.Context(), dir, &b, o)
			if refused := errors.Is(err, errdefs.ErrInvalid); refused != keep {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}
