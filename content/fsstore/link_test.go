package fsstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/errdefs"
)

// theirs is a file of somebody else, opened.
func theirs(t *testing.T, dir string, b []byte, mode os.FileMode) *os.File {
	t.Helper()
	name := filepath.Join(dir, "data")
	if err := errors.Join(os.WriteFile(name, b, 0o600), os.Chmod(name, mode)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestLink takes a file in, of either algorithm, also in the place of damaged bytes, and
// twice.
func TestLink(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	b := contenttest.Bytes(1, 70_000)
	f := theirs(t, t.TempDir(), b, 0o644)
	for _, alg := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		desc := ocispec.Descriptor{Digest: alg.FromBytes(b), Size: int64(len(b))}
		if alg == digest.SHA256 {
			damaged := filepath.Join(s.Path(), "blobs", "sha256", desc.Digest.Encoded())
			if err := os.WriteFile(damaged, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := s.Link(t.Context(), desc, f); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := content.ReadBlob(t.Context(), s, desc); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	fi, err := f.Stat()
	if err != nil || fi.Sys().(*syscall.Stat_t).Nlink != 3 {
		t.Errorf("%+v, %v: not linked", fi, err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Path(), "ingest")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestLinkRefused keeps nothing of what is no blob, cannot be read by who serves it, or
// lies elsewhere.
func TestLinkRefused(t *testing.T) {
	t.Parallel()
	b := []byte("bytes of another registry")
	right := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
	shm, err := os.MkdirTemp("/dev/shm", "cove-link-") //nolint:usetesting // another file system
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	for name, c := range map[string]struct {
		desc ocispec.Descriptor
		dir  string
		mode os.FileMode
		step Step
		kind error
	}{
		"right":              {right, t.TempDir(), 0o400, "", nil},
		"digest":             {ocispec.Descriptor{Digest: digest.FromString("other")}, t.TempDir(), 0o644, "", errdefs.ErrCorrupt},
		"size":               {ocispec.Descriptor{Digest: right.Digest, Size: 3}, t.TempDir(), 0o644, "", errdefs.ErrCorrupt},
		"no digest":          {ocispec.Descriptor{Digest: "sha256:.."}, t.TempDir(), 0o644, "", errdefs.ErrInvalid},
		"unreadable":         {right, t.TempDir(), 0o040, "", errdefs.ErrUnsupported},
		"another filesystem": {right, shm, 0o644, "", errdefs.ErrUnsupported},
		"full at the sync":   {right, t.TempDir(), 0o644, StepSync, errdefs.ErrExhausted},
		"full at the link":   {right, t.TempDir(), 0o644, StepRename, errdefs.ErrExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), Options{Fault: func(at Step) error {
				if at == c.step {
					return syscall.ENOSPC
				}
				return nil
			}})
			f := theirs(t, c.dir, b, c.mode)
			err := s.Link(t.Context(), c.desc, f)
			if !errors.Is(err, c.kind) || (err == nil) != (c.kind == nil) {
				t.Errorf("%v, want %v", err, c.kind)
			}
			_, err = s.Stat(t.Context(), right.Digest)
			if here := err == nil; here != (c.kind == nil) {
				t.Errorf("stored: %v", err)
			}
		})
	}
}
