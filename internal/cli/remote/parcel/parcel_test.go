package parcel

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
)

// far serves a parcel, and says what became of it.
func far(t *testing.T) (near net.Conn, dirs Dirs, ended chan error) {
	t.Helper()
	near, there := net.Pipe()
	dirs = Dirs{Disk: t.TempDir(), Memory: t.TempDir()}
	ended = make(chan error, 1)
	go func() {
		ended <- Serve(context.Background(), there, there, dirs)
		there.Close()
	}()
	t.Cleanup(func() { near.Close() })
	return near, dirs, ended
}

// names reads the files of a tar.
func names(t *testing.T, into *[]string) func(io.Reader) error {
	t.Helper()
	return func(r io.Reader) error {
		for tr := tar.NewReader(r); ; {
			hdr, err := tr.Next()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			text, err := io.ReadAll(tr)
			if err != nil {
				return err
			}
			*into = append(*into, hdr.Name+"="+string(text))
		}
	}
}

// TestParcel takes files there and back.
func TestParcel(t *testing.T) {
	t.Parallel()
	near, dirs, ended := far(t)
	dir := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, text := range map[string][]byte{"a": []byte("A"), "sub/b": large, "sub/left": nil} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Open(t.Context(), near, []Piece{
		{Name: "0/app", Path: dir, Keep: func(rel string) bool { return rel != "sub/left" }},
		{Name: "1/only", Path: filepath.Join(dir, "a")},
		{Name: "2/in", Path: dir + "/."},
		{Name: "3/key", Text: []byte("secret"), Secret: true},
		{Name: "4/"},
	})
	if err != nil || p.Dirs != dirs {
		t.Fatalf("%+v, %v", p, err)
	}
	for path, want := range map[string]string{
		dirs.Disk + "/0/app/a": "A", dirs.Disk + "/0/app/sub/b": string(large), dirs.Disk + "/1/only": "A",
		dirs.Disk + "/2/in/a": "A", dirs.Memory + "/3/key": "secret",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if _, err := os.Lstat(dirs.Disk + "/0/app/sub/left"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left out is there: %v", err)
	}
	for n := range 2 { // twice, as streams follow each other
		if err := os.WriteFile(filepath.Join(dirs.Disk, "4", "out"), []byte{byte('0' + n)}, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := p.Fetch("4", names(t, &got)); err != nil || len(got) != 1 || got[0] != "out="+string('0'+rune(n)) {
			t.Errorf("%q, %v", got, err)
		}
	}
	var got []string
	if err := p.Fetch("nothing", names(t, &got)); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("what is not there: %q, %v", got, err)
	}
	near.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestRefusals: nothing but what lies in a parcel is given back, and a piece that is not
// there is an error of here.
func TestRefusals(t *testing.T) {
	t.Parallel()
	near, _, ended := far(t)
	p, err := Open(t.Context(), near, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := p.Fetch("../x", names(t, &got)); err == nil {
		t.Errorf("outside of the parcel there is %q", got)
	}
	if err := <-ended; !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
	near, _, _ = far(t)
	if _, err := Open(t.Context(), near, []Piece{{Name: "0/x", Path: "/nothing/here"}}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
}

// TestCut ends both sides when the connection does, wherever that is.
func TestCut(t *testing.T) {
	t.Parallel()
	var whole bytes.Buffer
	for range 2 {
		if err := send(&whole, func(w io.Writer) error { return pack(t.Context(), w, []Piece{{Name: "x", Text: []byte("x")}}, false) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 4, 100, whole.Len() / 2, whole.Len() - 1} {
		dirs := Dirs{Disk: t.TempDir(), Memory: t.TempDir()}
		if err := Serve(t.Context(), bytes.NewReader(whole.Bytes()[:n]), io.Discard, dirs); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	for _, said := range []string{"", "{", "{}garbage\n", `{"Error":"the disk is full"}` + "\n"} {
		near, there := net.Pipe()
		go func() {
			r := bufio.NewReader(there)
			for range 2 {
				_, _ = io.Copy(io.Discard, &reader{r: r})
			}
			_, _ = io.WriteString(there, said)
			there.Close()
		}()
		if _, err := Open(t.Context(), near, nil); !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%q: %v", said, err)
		}
	}
}

// FuzzServe has nobody write outside of a parcel, whatever is sent.
func FuzzServe(f *testing.F) {
	frame := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	var hostile bytes.Buffer
	w := tar.NewWriter(&hostile)
	for _, h := range []tar.Header{
		{Name: "../out", Typeflag: tar.TypeReg, Mode: 0o600},
		{Name: "l", Linkname: "..", Typeflag: tar.TypeSymlink},
		{Name: "l/out", Typeflag: tar.TypeReg, Mode: 0o600},
	} {
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(append(frame(hostile.Bytes()), 0, 0, 0, 0, 0, 0, 0, 0, '.', '.', '\n'))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00l\n"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		top := t.TempDir()
		dirs := Dirs{Disk: filepath.Join(top, "disk"), Memory: filepath.Join(top, "memory")}
		if err := errors.Join(os.Mkdir(dirs.Disk, 0o700), os.Mkdir(dirs.Memory, 0o700)); err != nil {
			t.Fatal(err)
		}
		_ = Serve(t.Context(), bytes.NewReader(sent), io.Discard, dirs)
		if left, err := os.ReadDir(top); err != nil || len(left) != 2 {
			t.Errorf("%v, %v", left, err)
		}
	})
}

// TestKeep removes what it kept, and what those left who were killed.
func TestKeep(t *testing.T) {
	t.Parallel()
	top := Dirs{Disk: t.TempDir(), Memory: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(top.Disk, "parcels", "1.1-left"), 0o700); err != nil {
		t.Fatal(err)
	}
	near, there := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Keep(t.Context(), there, there, top) }()
	p, err := Open(t.Context(), near, []Piece{{Name: "x", Text: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.Disk, "x")); err != nil || !strings.HasPrefix(p.Disk, top.Disk+"/parcels/") {
		t.Errorf("%s: %v", p.Disk, err)
	}
	near.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	near, there = net.Pipe()
	defer near.Close()
	cancel() // while it waits
	if err := Keep(ctx, there, there, top); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, dir := range []string{top.Disk, top.Memory} {
		if left, err := os.ReadDir(filepath.Join(dir, "parcels")); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
	}
}

// TestKeepIsEndedWhileFilesCome: who is told to end while bytes flow writes nothing more
// into what it removes.
func TestKeepIsEndedWhileFilesCome(t *testing.T) {
	t.Parallel()
	top := Dirs{Disk: t.TempDir(), Memory: t.TempDir()}
	in, near := io.Pipe()
	defer in.Close()
	go func() {
		_ = send(near, func(w io.Writer) error { // until nobody reads
			tw := tar.NewWriter(w)
			for n := 0; ; n++ {
				if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "d/" + strconv.Itoa(n), Mode: 0o600, Size: 1}); err != nil {
					return err
				}
				if _, err := tw.Write([]byte("x")); err != nil {
					return err
				}
			}
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Keep(ctx, in, io.Discard, top) }()
	for {
		if some, _ := filepath.Glob(filepath.Join(top.Disk, "parcels", "*", "d", "9*")); len(some) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends by %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(top.Disk, "parcels")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
