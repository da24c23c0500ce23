package fsstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/contenttest"
	"cove/errdefs"
)

// TestDiskFull fills a real file system.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs root: mounting a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := open(t, dir, Options{})
	kept, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, contenttest.Bytes(1, 900_000))
	if err != nil {
		t.Fatal(err)
	}
	b := contenttest.Bytes(2, 1_800_000)
	desc := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
	w, err := s.Begin(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	n, err := w.Write(b)
	if !isExhausted(err) || n == len(b) || int64(n) != w.Offset() {
		t.Fatalf("Write on a full disk = %d, %v; offset %d", n, err, w.Offset())
	}
	if got, err := content.ReadBlob(t.Context(), s, kept); err != nil || !bytes.Equal(got, contenttest.Bytes(1, 900_000)) {
		t.Errorf("reading on a full disk: %v", err)
	}
	if err := s.Delete(t.Context(), kept.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b[n:]); err != nil {
		t.Fatalf("going on after space was freed: %v", err)
	}
	if err := w.Commit(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(t.Context(), s, desc); err != nil {
		t.Error(err)
	}
}

// TestHeal commits over a blob that rotted on disk.
func TestHeal(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	b := contenttest.Bytes(1, 10_000)
	desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, b)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Path(), "blobs", "sha256", desc.Digest.Encoded())
	rotten := bytes.Clone(b)
	rotten[5000] ^= 1
	if err := os.WriteFile(path, rotten, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(t.Context(), s, desc); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Fatalf("reading a rotten blob: %v", err)
	}
	if _, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, b); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(t.Context(), s, desc); err != nil {
		t.Errorf("after writing it again: %v", err)
	}
}

// TestPutAgain: bytes that are here are written once, however often they come; others
// take their place.
func TestPutAgain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	b := contenttest.Bytes(1, 10_000)
	put := func() os.FileInfo {
		t.Helper()
		desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, b)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(filepath.Join(s.Path(), "blobs", "sha256", desc.Digest.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return fi
	}
	first := put()
	if !os.SameFile(first, put()) {
		t.Error("the same bytes were written again")
	}
	path := filepath.Join(s.Path(), "blobs", "sha256", first.Name())
	for what, spoil := range map[string]func() error{
		"a byte":    func() error { return os.WriteFile(path, append(bytes.Clone(b[1:]), 0), 0o644) },
		"the size":  func() error { return os.WriteFile(path, b[1:], 0o644) },
		"a link":    func() error { return errors.Join(os.Rename(path, path+".x"), os.Symlink(path+".x", path)) },
		"a folder":  func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"all of it": func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		put()
		if got, err := content.ReadBlob(t.Context(), s, ocispec.Descriptor{Digest: digest.FromBytes(b)}); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s was changed, and the bytes put again: %v", what, err)
		}
	}
	// What belies its descriptor is refused, though something is here under the digest.
	desc := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: 9_999}
	if _, err := content.WriteBytes(t.Context(), s, desc, b); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("another size: %v", err)
	}
	desc.Size = 0
	if _, err := content.WriteBytes(t.Context(), s, desc, b[1:]); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("other bytes: %v", err)
	}
	if got, err := content.ReadBlob(t.Context(), s, ocispec.Descriptor{Digest: desc.Digest}); err != nil || !bytes.Equal(got, b) {
		t.Errorf("after what was refused: %v", err)
	}
}

func BenchmarkCommit4K(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	body := contenttest.Bytes(1, 4096)
	for i := 0; b.Loop(); i++ {
		body[0], body[1], body[2] = byte(i), byte(i>>8), byte(i>>16)
		if _, err := content.WriteBytes(b.Context(), s, ocispec.Descriptor{}, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommit64M(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	body := contenttest.Bytes(1, 64<<20)
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		body[0] = byte(i)
		if _, err := content.WriteBytes(b.Context(), s, ocispec.Descriptor{Size: int64(len(body))}, body); err != nil {
			b.Fatal(err)
		}
	}
}
