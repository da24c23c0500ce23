package contenttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

func testCommit(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 3<<20)
	desc := describe(b)
	w := begin(t, s, "x")
	if got := w.Digest(); got != digest.FromBytes(nil) {
		t.Errorf("Digest of nothing = %s", got)
	}
	write(t, w, b[:1000])
	write(t, w, b[1000:])
	if w.Offset() != desc.Size || w.Digest() != desc.Digest {
		t.Errorf("Offset, Digest = %d, %s", w.Offset(), w.Digest())
	}
	mustLack(t, s, desc.Digest)
	if err := w.Commit(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, b)
	if err := w.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("Write after Commit went through")
	}
	mustHold(t, s, b)
	mustBe(t, s.Abort(t.Context(), "x"), errdefs.ErrNotFound)
	if again := begin(t, s, "x"); again.Offset() != 0 {
		t.Errorf("the id of a committed write starts at %d", again.Offset())
	}
}

func testCommitTwice(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 1000)
	commit(t, s, b)
	commit(t, s, b)
	mustHold(t, s, b)
}

func testCommitEmpty(t *testing.T, s content.BlobStore) {
	commit(t, s, nil)
	mustHold(t, s, nil)
}

func testCommitSHA512(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 100_000)
	desc := ocispec.Descriptor{Digest: digest.SHA512.FromBytes(b), Size: int64(len(b))}
	w := begin(t, s, "x")
	write(t, w, b)
	if err := w.Commit(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	got, err := content.ReadBlob(t.Context(), s, desc)
	if err != nil || string(got) != string(b) {
		t.Fatalf("ReadBlob = %d bytes, %v", len(got), err)
	}
	mustLack(t, s, digest.FromBytes(b))
	seen := 0
	for info, err := range s.All(t.Context()) {
		if err != nil || info.Digest != desc.Digest {
			t.Errorf("All: %+v, %v", info, err)
		}
		seen++
	}
	if seen != 1 {
		t.Errorf("All visited %d blobs, want 1", seen)
	}
}

func testCommitWrong(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 1000)
	for name, desc := range map[string]ocispec.Descriptor{
		"digest":        {Digest: digest.FromString("other"), Size: 1000},
		"digest alone":  {Digest: digest.FromString("other")},
		"size":          {Digest: digest.FromBytes(b), Size: 999},
		"sha512 digest": {Digest: digest.SHA512.FromString("other")},
	} {
		w := begin(t, s, name)
		write(t, w, b)
		mustBe(t, w.Commit(t.Context(), desc), errdefs.ErrCorrupt)
		mustLack(t, s, desc.Digest)
		if err := w.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if again := begin(t, s, name); again.Offset() != 0 {
			t.Errorf("%s: a write that failed its digest was kept", name)
		}
	}
	w := begin(t, s, "invalid")
	write(t, w, b)
	mustBe(t, w.Commit(t.Context(), ocispec.Descriptor{Digest: "sha256:../../x"}), errdefs.ErrInvalid)
}

func testResume(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 300_000)
	desc := describe(b)
	cuts := []int{0, 1, 1, 64, 1000, 65_537, 299_999, 300_000, 300_000}
	at := 0
	for _, cut := range cuts {
		w := begin(t, s, "resume")
		if w.Offset() != int64(at) {
			t.Fatalf("resumed at %d, want %d", w.Offset(), at)
		}
		if want := digest.FromBytes(b[:at]); w.Digest() != want {
			t.Fatalf("resumed at %d with digest %s, want %s", at, w.Digest(), want)
		}
		write(t, w, b[at:cut])
		at = cut
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		mustLack(t, s, desc.Digest)
	}
	if err := begin(t, s, "resume").Commit(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, b)
}

// testReadBack follows a write while it grows, as an unpacking download does.
func testReadBack(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 500_000)
	w, ok := begin(t, s, "x").(content.ReadableWriter)
	if !ok {
		t.Skip("this store's writes cannot be read back")
	}
	var wg sync.WaitGroup
	arrived := make(chan int, 100)
	wg.Go(func() {
		at := 0
		for end := range arrived {
			got := make([]byte, end-at)
			if n, err := w.ReadAt(got, int64(at)); n != len(got) || string(got) != string(b[at:end]) {
				t.Errorf("ReadAt(%d) = %d, %v", at, n, err)
			}
			at = end
		}
	})
	for at := 0; at < len(b); at += 50_000 {
		write(t, w, b[at:at+50_000])
		arrived <- at + 50_000
	}
	close(arrived)
	wg.Wait()
	if err := w.Commit(t.Context(), describe(b)); err != nil {
		t.Fatal(err)
	}
	_, err := w.ReadAt(make([]byte, 1), 0)
	mustBe(t, err, os.ErrClosed)
}

// testResumeLong crosses every internal boundary of buffers and checkpoints,
// and asks for a digest whose hash was not computed on the way.
func testResumeLong(t *testing.T, s content.BlobStore) {
	const part, parts = 5<<20 + 17, 14
	whole := digest.SHA512.Digester()
	for i := range parts {
		b := Bytes(uint64(i), part)
		_, _ = whole.Hash().Write(b)
		w := begin(t, s, "long")
		if w.Offset() != int64(i*part) {
			t.Fatalf("resumed at %d, want %d", w.Offset(), i*part)
		}
		write(t, w, b)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	desc := ocispec.Descriptor{Digest: whole.Digest(), Size: part * parts}
	if err := begin(t, s, "long").Commit(t.Context(), desc); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Stat(t.Context(), desc.Digest); err != nil || info.Size != desc.Size {
		t.Fatalf("Stat = %+v, %v", info, err)
	}
}

func testOneWriter(t *testing.T, s content.BlobStore) {
	w := begin(t, s, "x")
	_, err := s.Begin(t.Context(), "x")
	mustBe(t, err, errdefs.ErrUnavailable)
	mustBe(t, s.Abort(t.Context(), "x"), errdefs.ErrUnavailable)
	begin(t, s, "y")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	begin(t, s, "x")
}

func testAbort(t *testing.T, s content.BlobStore) {
	mustBe(t, s.Abort(t.Context(), "x"), errdefs.ErrNotFound)
	w := begin(t, s, "x")
	write(t, w, []byte("abc"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Abort(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	mustBe(t, s.Abort(t.Context(), "x"), errdefs.ErrNotFound)
	if w := begin(t, s, "x"); w.Offset() != 0 {
		t.Errorf("an aborted write resumed at %d", w.Offset())
	}
}

// testIDs holds writes of odd ids open at once: none may be mistaken for
// another, nor escape.
func testIDs(t *testing.T, s content.BlobStore) {
	ids := []string{
		"", ".", "..", "../../x", "a/b", "a", "A", "a.state", "\x00", "ü", "a\nb",
		strings.Repeat("x", 150), strings.Repeat("x", 151), strings.Repeat("x", 5000),
	}
	writers := map[string]content.Writer{}
	for _, id := range ids {
		writers[id] = begin(t, s, id)
		write(t, writers[id], []byte("body of "+id))
	}
	for id, w := range writers {
		b := []byte("body of " + id)
		if err := w.Commit(t.Context(), describe(b)); err != nil {
			t.Fatalf("id %q: %v", id, err)
		}
		mustHold(t, s, b)
	}
}

func testCanceled(t *testing.T, s content.BlobStore) {
	b := Bytes(1, 1000)
	w := begin(t, s, "x")
	write(t, w, b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mustBe(t, w.Commit(ctx, describe(b)), context.Canceled)
	mustLack(t, s, describe(b).Digest)
}

// testConcurrent has many writers commit few digests at once.
func testConcurrent(t *testing.T, s content.BlobStore) {
	const writers, blobs = 24, 4
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for i := range writers {
		wg.Go(func() {
			b := Bytes(uint64(i%blobs), 200_000)
			errs <- func() error {
				w, err := s.Begin(t.Context(), fmt.Sprint("concurrent/", i))
				if err != nil {
					return err
				}
				defer w.Close()
				for part := b; len(part) > 0; part = part[min(len(part), 7000):] {
					if _, err := w.Write(part[:min(len(part), 7000)]); err != nil {
						return err
					}
				}
				return w.Commit(t.Context(), describe(b))
			}()
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	for i := range blobs {
		mustHold(t, s, Bytes(uint64(i), 200_000))
	}
}

// testExpire has a write that is abandoned, one that is open, and a blob: only
// the first goes, and not before its time.
func testExpire(t *testing.T, s content.BlobStore) {
	b := commit(t, s, Bytes(1, 1000))
	left, held := begin(t, s, "left"), begin(t, s, "held")
	write(t, left, Bytes(2, 1008))
	write(t, held, Bytes(3, 500))
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Expire(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("Expire of an hour ago = %d, %v", n, err)
	}
	if n, err := s.Expire(t.Context(), time.Now().Add(time.Hour)); n != 1008 || err != nil {
		t.Errorf("Expire of all = %d, %v, want the bytes of the one that is not open", n, err)
	}
	mustBe(t, s.Abort(t.Context(), "left"), errdefs.ErrNotFound)
	if err := held.Commit(t.Context(), describe(Bytes(3, 500))); err != nil {
		t.Errorf("the write that was open: %v", err)
	}
	if _, err := s.Stat(t.Context(), b.Digest); err != nil {
		t.Errorf("the blob: %v", err)
	}
}

// testRanges reads a blob in pieces: forwards, backwards, beside one another and
// over its end.
func testRanges(t *testing.T, s content.BlobStore) {
	b := Bytes(4, 100_000)
	r, err := s.Open(t.Context(), commit(t, s, b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	piece := func(off, n int64) {
		p := make([]byte, n)
		got, err := r.ReadAt(p, off)
		want := b[min(off, int64(len(b))):min(off+n, int64(len(b)))]
		if !bytes.Equal(p[:got], want) || err != nil && (!errors.Is(err, io.EOF) || off+n < int64(len(b))) {
			t.Errorf("%d bytes from %d: %d, %v", n, off, got, err)
		}
	}
	for off := int64(0); off < 100_000; off += 7000 {
		piece(off, 7000)
	}
	for off := int64(99_000); off >= 0; off -= 9000 {
		piece(off, 10)
	}
	var wg sync.WaitGroup
	for i := range int64(8) {
		wg.Go(func() {
			for off := i * 1000; off < 100_000; off += 8000 {
				piece(off, 1000)
			}
		})
	}
	wg.Wait()
	piece(99_990, 100)
	if n, err := r.ReadAt(make([]byte, 10), 100_000); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
}
