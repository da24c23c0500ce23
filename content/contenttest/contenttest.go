// Package contenttest is the suite that every content.Store passes.
package contenttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// Run runs the suite. open makes an empty store that lives as long as its test.
func Run(t *testing.T, open func(t *testing.T) content.Store) {
	t.Helper()
	RunBlobs(t, func(t *testing.T) content.BlobStore { return open(t) })
	run(t, open, []check[content.Store]{
		{"Holding", testHolding},
		{"Lease", testLease},
		{"Freeze", testFreeze},
	})
}

// RunBlobs runs the part of the suite that asks for no leases.
func RunBlobs(t *testing.T, open func(t *testing.T) content.BlobStore) {
	t.Helper()
	run(t, open, []check[content.BlobStore]{
		{"Commit", testCommit},
		{"CommitTwice", testCommitTwice},
		{"CommitEmpty", testCommitEmpty},
		{"CommitSHA512", testCommitSHA512},
		{"CommitWrong", testCommitWrong},
		{"Resume", testResume},
		{"ReadBack", testReadBack},
		{"ResumeLong", testResumeLong},
		{"OneWriter", testOneWriter},
		{"Abort", testAbort},
		{"Expire", testExpire},
		{"Ranges", testRanges},
		{"Ids", testIDs},
		{"OpenErrors", testOpenErrors},
		{"All", testAll},
		{"Delete", testDelete},
		{"ReadWhileDeleted", testReadWhileDeleted},
		{"Concurrent", testConcurrent},
		{"Canceled", testCanceled},
		{"Helpers", testHelpers},
	})
}

type check[S any] struct {
	name string
	test func(*testing.T, S)
}

func run[S any](t *testing.T, open func(t *testing.T) S, checks []check[S]) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// Bytes are n bytes that look random and depend on seed alone.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	r := rand.NewChaCha8(key)
	_, _ = r.Read(b)
	return b
}

func describe(b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
}

func begin(t *testing.T, s content.BlobStore, id string) content.Writer {
	t.Helper()
	w, err := s.Begin(t.Context(), id)
	if err != nil {
		t.Fatalf("Begin(%q): %v", id, err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func write(t *testing.T, w content.Writer, b []byte) {
	t.Helper()
	if n, err := w.Write(b); n != len(b) || err != nil {
		t.Fatalf("Write = %d, %v, want %d", n, err, len(b))
	}
}

func commit(t *testing.T, s content.BlobStore, b []byte) ocispec.Descriptor {
	t.Helper()
	desc := describe(b)
	w := begin(t, s, "commit/"+desc.Digest.String())
	write(t, w, b)
	if err := w.Commit(t.Context(), desc); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return desc
}

// mustHold fails unless the store gives back exactly b.
func mustHold(t *testing.T, s content.BlobStore, b []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), describe(b))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	got, err := io.ReadAll(content.NewReader(r))
	if err != nil || !bytes.Equal(got, b) || r.Size() != int64(len(b)) {
		t.Fatalf("read %d bytes (size %d), %v, want the %d written", len(got), r.Size(), err, len(b))
	}
}

func mustBe(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want kind %v", err, kind)
	}
}

func mustLack(t *testing.T, s content.BlobStore, dgst digest.Digest) {
	t.Helper()
	_, err := s.Stat(t.Context(), dgst)
	mustBe(t, err, errdefs.ErrNotFound)
	_, err = s.Open(t.Context(), ocispec.Descriptor{Digest: dgst})
	mustBe(t, err, errdefs.ErrNotFound)
}

func testOpenErrors(t *testing.T, s content.BlobStore) {
	desc := commit(t, s, Bytes(1, 100))
	wrong := desc
	wrong.Size = 99
	_, err := s.Open(t.Context(), wrong)
	mustBe(t, err, errdefs.ErrCorrupt)
	mustLack(t, s, digest.FromString("nothing"))
	for _, bad := range []digest.Digest{
		"", "sha256", "sha256:", "sha256:../../oci-layout", "md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha256:" + digest.Digest(strings.Repeat("A", 64)), "sha256:" + digest.Digest(strings.Repeat("a", 63)),
	} {
		_, err := s.Open(t.Context(), ocispec.Descriptor{Digest: bad})
		mustBe(t, err, errdefs.ErrInvalid)
		_, err = s.Stat(t.Context(), bad)
		mustBe(t, err, errdefs.ErrInvalid)
		mustBe(t, s.Delete(t.Context(), bad), errdefs.ErrInvalid)
	}
}

func testAll(t *testing.T, s content.BlobStore) {
	var want []digest.Digest
	for i := range 20 {
		want = append(want, commit(t, s, Bytes(uint64(i), 10+i)).Digest)
	}
	var got []digest.Digest
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		stat, err := s.Stat(t.Context(), info.Digest)
		if err != nil || stat.Size != info.Size || !stat.ModTime.Equal(info.ModTime) {
			t.Errorf("All says %+v, Stat %+v, %v", info, stat, err)
		}
		got = append(got, info.Digest)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("All visited %d blobs, want the %d committed", len(got), len(want))
	}
	for range s.All(t.Context()) {
		break // stopping early must do no harm
	}
}

func testDelete(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 1000)
	desc := commit(t, s, b)
	if err := s.Delete(t.Context(), desc.Digest); err != nil {
		t.Fatal(err)
	}
	mustLack(t, s, desc.Digest)
	mustBe(t, s.Delete(t.Context(), desc.Digest), errdefs.ErrNotFound)
	commit(t, s, b)
	mustHold(t, s, b)
}

func testReadWhileDeleted(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 1<<16)
	desc := commit(t, s, b)
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Delete(t.Context(), desc.Digest); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(content.NewReader(r))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("a reader opened before the delete read %d bytes, %v", len(got), err)
	}
}

func testHelpers(t *testing.T, s content.BlobStore) {
	ctx := context.Background()
	b := Bytes(3, 5000)
	desc, err := content.WriteBytes(ctx, s, ocispec.Descriptor{MediaType: "a/b"}, b)
	if err != nil || desc.Digest != digest.FromBytes(b) || desc.Size != 5000 || desc.MediaType != "a/b" {
		t.Fatalf("WriteBytes = %+v, %v", desc, err)
	}
	got, err := content.ReadBlob(ctx, s, desc)
	if err != nil || !bytes.Equal(got, b) {
		t.Fatalf("ReadBlob = %d bytes, %v", len(got), err)
	}
	mustBe(t, content.WriteBlob(ctx, s, desc, bytes.NewReader(b[1:])), errdefs.ErrCorrupt)
	mustHold(t, s, b)
}

func testHolding(t *testing.T, s content.Store) {
	ctx := t.Context()
	lease, err := s.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	if _, err := content.WriteBytes(ctx, content.Holding(s, lease), ocispec.Descriptor{}, []byte("held")); err != nil {
		t.Fatal(err)
	}
	mustLease(t, s, digest.FromString("held").String())
}
