package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/s3store"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/errdefs"
)

func describe(b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
}

func begin(t *testing.T, s *s3store.Store, id string) content.Writer {
	t.Helper()
	w, err := s.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if n, err := w.Write(b); n != len(b) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func mustHold(t *testing.T, s *s3store.Store, b []byte) {
	t.Helper()
	if r, err := s.Open(t.Context(), describe(b)); err != nil {
		t.Fatal(err)
	} else if got, err := io.ReadAll(content.NewReader(r)); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%d bytes, %v", len(got), err)
	} else if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v, want %v", err, kind)
	}
}

func keys(t *testing.T, b *objects.Bucket, prefix string) (all []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

// TestAnotherProcessGoesOn has each chunk of a write come to another store over the
// same bucket, with chunks of every size beside that of a part.
func TestAnotherProcessGoesOn(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for _, chunk := range []int{100, 1 << 20, 5<<20 - 1, 5 << 20, 5<<20 + 1, 12 << 20} {
		t.Run(fmt.Sprint(chunk), func(t *testing.T) {
			t.Parallel()
			bucket, st := server.Bucket(t), &states{}
			b := contenttest.Bytes(uint64(chunk), min(chunk*150, 23<<20))
			for at := 0; at < len(b); at += chunk {
				w := begin(t, newStore(t, bucket, st), "x")
				if w.Offset() != int64(at) || w.Digest() != digest.FromBytes(b[:at]) {
					t.Fatalf("at %d, want %d", w.Offset(), at)
				}
				write(t, w, b[at:min(at+chunk, len(b))])
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s := newStore(t, bucket, st)
			if err := begin(t, s, "x").Commit(t.Context(), describe(b)); err != nil {
				t.Fatal(err)
			}
			mustHold(t, s, b)
			if left := keys(t, bucket, "writes/"); len(left) > 0 {
				t.Errorf("left after the commit: %q", left)
			}
		})
	}
}

// TestKilledWriterKeepsItsCheckpoint leaves a writer without a Close: what was saved
// stays, and a writer that does not know that it is dead spoils nothing.
func TestKilledWriterKeepsItsCheckpoint(t *testing.T) {
	t.Parallel()
	bucket, st := s3test.Start(t).Bucket(t), &states{}
	b := contenttest.Bytes(7, 71<<20)
	dead := begin(t, newStore(t, bucket, st), "x")
	write(t, dead, b)
	st.lose()
	s := newStore(t, bucket, st)
	w := begin(t, s, "x")
	if w.Offset() < 64<<20 || w.Offset() > int64(len(b)) {
		t.Fatalf("goes on at %d", w.Offset())
	}
	mustBe(t, dead.Close(), errdefs.ErrConflict)
	write(t, w, b[w.Offset():])
	if err := w.Commit(t.Context(), describe(b)); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, b)
}

// TestServiceGone has the service end within a write: the write fails, is
// unavailable, and goes on once the service is back.
func TestServiceGone(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config()
	cfg.Attempts = 1
	bucket, err := objects.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	st := &states{}
	s := newStore(t, bucket, st)
	b := contenttest.Bytes(9, 13<<20)
	w := begin(t, s, "x")
	write(t, w, b[:1<<20])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = begin(t, s, "x")
	server.Kill()
	_, err = w.Write(b[1<<20:])
	mustBe(t, errors.Join(err, w.Close()), errdefs.ErrUnavailable)
	_, err = s.Stat(t.Context(), describe(b).Digest)
	mustBe(t, err, errdefs.ErrUnavailable)
	_, err = s.Open(t.Context(), describe(b))
	mustBe(t, err, errdefs.ErrUnavailable)

	server.Run(t)
	w = begin(t, s, "x")
	if w.Offset() != 1<<20 {
		t.Fatalf("goes on at %d", w.Offset())
	}
	write(t, w, b[1<<20:])
	if err := w.Commit(t.Context(), describe(b)); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, b)
}

// TestCommitOfALostUpload has somebody remove what a write has in the bucket.
func TestCommitOfALostUpload(t *testing.T) {
	t.Parallel()
	bucket, st := s3test.Start(t).Bucket(t), &states{}
	s := newStore(t, bucket, st)
	b := contenttest.Bytes(3, 1<<20)
	w := begin(t, s, "x")
	write(t, w, b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Delete(t.Context(), keys(t, bucket, "writes/")...); err != nil {
		t.Fatal(err)
	}
	mustBe(t, begin(t, s, "x").Commit(t.Context(), describe(b)), errdefs.ErrNotFound)
	if w := begin(t, s, "x"); w.Offset() != 0 {
		t.Errorf("a write that lost its bytes goes on at %d", w.Offset())
	}
}

// TestLostAnswer has the answer to the end of a multipart upload get lost: the service has
// made the object, and knows no upload when it is asked again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, expected := range map[string]bool{"copied": false, "in its place": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLostAnswer(t, expected)
		})
	}
}

func testLostAnswer(t *testing.T, expected bool) {
	t.Helper()
	var lost atomic.Int32
	cfg := s3test.Start(t).Front(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") {
				next.ServeHTTP(w, r)
				return
			}
			if lost.Add(1) > 1 { // not all services remember that they have ended it
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`<Error><Code>NoSuchUpload</Code><Message>no such upload</Message></Error>`))
				return
			}
			rec := httptest.NewRecorder()
			if next.ServeHTTP(rec, r); rec.Code != http.StatusOK {
				t.Errorf("it was not completed: %d %s", rec.Code, rec.Body)
			}
			w.WriteHeader(http.StatusInternalServerError)
		})
	})
	bucket, err := objects.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	s := newStore(t, bucket, &states{})
	b := contenttest.Bytes(3, 12<<20)
	ctx := t.Context()
	if expected {
		ctx = content.WithExpected(ctx, digest.FromBytes(b))
	}
	w, err := s.Begin(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, b)
	if err := w.Commit(t.Context(), describe(b)); err != nil {
		t.Fatal(err)
	}
	if lost.Load() < 2 {
		t.Errorf("%d requests: no answer was lost", lost.Load())
	}
	mustHold(t, s, b)
}

// TestDeletedMeanwhile has a service put a deletion of the same blob, which came while its
// parts did, behind the end of the upload.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	var bucket *objects.Bucket
	b := contenttest.Bytes(6, 12<<20)
	again := atomic.Bool{}
	cfg := s3test.Start(t).Front(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ended := r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
			next.ServeHTTP(w, r)
			if ended && !again.Swap(true) {
				if err := bucket.Delete(t.Context(), keys(t, bucket, "blobs/")...); err != nil {
					t.Error(err)
				}
			}
		})
	})
	var err error
	if bucket, err = objects.Connect(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	s := newStore(t, bucket, &states{})
	for _, want := range []error{errdefs.ErrNotFound, nil} {
		w, err := s.Begin(content.WithExpected(t.Context(), describe(b).Digest), "x")
		if err != nil {
			t.Fatal(err)
		}
		if w.Offset() != 0 {
			t.Errorf("it goes on at %d", w.Offset())
		}
		write(t, w, b)
		if err := w.Commit(t.Context(), describe(b)); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	mustHold(t, s, b)
}

// TestExpected has bytes come whose digest is known before them: they need not be copied,
// and what is none of that digest never has its name.
func TestExpected(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	b := contenttest.Bytes(4, 12<<20)
	other := contenttest.Bytes(5, 12<<20)
	sha512 := ocispec.Descriptor{Digest: digest.SHA512.FromBytes(b), Size: int64(len(b))}
	for name, tc := range map[string]struct {
		expected digest.Digest
		as       ocispec.Descriptor
		stops    bool // and another store goes on
		early    bool // before there is a part
		err      error
		copied   bool
	}{
		"its own":                   {expected: describe(b).Digest, as: describe(b)},
		"goes on elsewhere":         {expected: describe(b).Digest, as: describe(b), stops: true},
		"none":                      {as: describe(b), copied: true},
		"another algorithm":         {expected: sha512.Digest, as: sha512, copied: true},
		"bytes of another":          {expected: describe(other).Digest, as: describe(other), err: errdefs.ErrCorrupt},
		"committed as another":      {expected: describe(other).Digest, as: describe(b), err: errdefs.ErrNotFound},
		"another, and elsewhere":    {expected: describe(other).Digest, as: describe(b), stops: true, err: errdefs.ErrNotFound},
		"another, with no part yet": {expected: describe(other).Digest, as: describe(b), stops: true, early: true, copied: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copies := atomic.Int32{}
			cfg := server.Front(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("X-Amz-Copy-Source") != "" {
						copies.Add(1)
					}
					next.ServeHTTP(w, r)
				})
			})
			bucket, err := objects.Connect(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = bucket.Close() })
			st := &states{}
			s := newStore(t, bucket, st)
			w, err := s.Begin(content.WithExpected(t.Context(), tc.expected), "x")
			if err != nil {
				t.Fatal(err)
			}
			first := 8 << 20
			if tc.early {
				first = 1 << 20
			}
			write(t, w, b[:first])
			if tc.stops {
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				s = newStore(t, bucket, st)
				// What goes on is no stray, however old.
				if _, err := s.Expire(t.Context(), time.Now().Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
				w = begin(t, s, "x")
			}
			write(t, w, b[first:])
			err = errors.Join(w.Commit(t.Context(), tc.as), w.Close())
			if tc.err != nil {
				mustBe(t, err, tc.err)
			} else if err != nil {
				t.Fatal(err)
			} else if r, err := s.Open(t.Context(), tc.as); err != nil {
				t.Fatal(err)
			} else if got, err := tc.as.Digest.Algorithm().FromReader(content.NewReader(r)); err != nil || got != tc.as.Digest {
				t.Errorf("%s, %v", got, err)
			} else if err := r.Close(); err != nil {
				t.Error(err)
			}
			if left, want := len(keys(t, bucket, "")), map[bool]int{true: 0, false: 1}[tc.err != nil]; left != want {
				t.Errorf("%d objects, want %d", left, want)
			}
			for u, err := range bucket.Uploads(t.Context(), "") {
				t.Errorf("an upload is left: %+v, %v", u, err)
			}
			if copied := copies.Load() > 0; copied != tc.copied {
				t.Errorf("copied %v", copied)
			}
		})
	}
}

// TestExpireFindsWhatNoStateLeadsTo forgets the states of writes.
func TestExpireFindsWhatNoStateLeadsTo(t *testing.T) {
	t.Parallel()
	bucket, st := s3test.Start(t).Bucket(t), &states{}
	s := newStore(t, bucket, st)
	for i, size := range []int{1000, 6 << 20} {
		w := begin(t, s, fmt.Sprint(i))
		write(t, w, contenttest.Bytes(uint64(i), size))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	blob := describe([]byte("stays"))
	if err := s.Put(t.Context(), blob, []byte("stays")); err != nil {
		t.Fatal(err)
	}
	lost := newStore(t, bucket, &states{})
	if n, err := lost.Expire(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Fatalf("an hour ago: %d, %v", n, err)
	}
	if n, err := lost.Expire(t.Context(), time.Now().Add(time.Hour)); n < 1000 || err != nil {
		t.Fatalf("all: %d, %v", n, err)
	}
	if left := keys(t, bucket, ""); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	mustHold(t, s, []byte("stays"))
	// What the state still names is lost; the write says so and begins anew.
	mustBe(t, begin(t, s, "1").Commit(t.Context(), describe(contenttest.Bytes(1, 6<<20))), errdefs.ErrNotFound)
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t).Bucket(t)
	s := newStore(t, bucket, &states{})
	var all []digest.Digest
	for i := range 40 {
		b := contenttest.Bytes(uint64(i), 10+i)
		if err := s.Put(t.Context(), describe(b), b); err != nil {
			t.Fatal(err)
		}
		all = append(all, describe(b).Digest)
	}
	all = append(all, digest.FromString("not there"))
	mustBe(t, s.Put(t.Context(), describe([]byte("a")), []byte("b")), errdefs.ErrCorrupt)
	if err := s.DeleteBatch(t.Context(), all[1:]); err != nil {
		t.Fatal(err)
	}
	if left := keys(t, bucket, "blobs/"); len(left) != 1 || !strings.HasSuffix(left[0], all[0].Encoded()) {
		t.Errorf("left: %q", left)
	}
	mustBe(t, s.DeleteBatch(t.Context(), []digest.Digest{"sha256:../x"}), errdefs.ErrInvalid)
}

func TestForeign(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t).Bucket(t)
	s := newStore(t, bucket, &states{})
	if err := s.Put(t.Context(), describe([]byte("a")), []byte("a")); err != nil {
		t.Fatal(err)
	}
	names := []string{"blobs/sha256/README", "blobs/md5/d41d8cd98f00b204e9800998ecf8427e", "blobs/x"}
	for _, name := range names {
		if err := bucket.Put(t.Context(), name, []byte("odd")); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	for f, err := range s.Foreign(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found++
		if err := s.RemoveForeign(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
	if left := keys(t, bucket, ""); found != len(names) || len(left) != 1 {
		t.Errorf("found %d, left %q", found, left)
	}
	for _, name := range []string{"writes/x", "blobs/sha256/" + describe([]byte("a")).Digest.Encoded()} {
		mustBe(t, s.RemoveForeign(t.Context(), content.Foreign{Name: name}), errdefs.ErrInvalid)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := newStore(t, server.Bucket(t), &states{})
	b := contenttest.Bytes(1, 1000)
	if err := s.Put(t.Context(), describe(b), b); err != nil {
		t.Fatal(err)
	}
	url, err := s.URL(t.Context(), describe(b).Digest, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	hc := s3test.HTTPClient(t, server.CA)
	defer hc.CloseIdleConnections()
	resp, err := hc.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !bytes.Equal(got, b) {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(got), err)
	}
}

// zeros is a stream of so many.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// TestMemoryIsConstant writes and reads a blob much larger than what is allocated
// meanwhile.
func TestMemoryIsConstant(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 256 MiB")
	}
	s := newStore(t, s3test.Start(t).Bucket(t), &states{})
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := begin(t, s, "x")
	if _, err := io.Copy(w, &zeros{size}); err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{Digest: w.Digest(), Size: size}
	if err := w.Commit(context.Background(), desc); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, content.Verify(content.NewReader(r), desc)); n != size || err != nil {
		t.Fatal(n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/2 {
		t.Errorf("%d MiB were allocated for a blob of %d MiB", grown>>20, size>>20)
	}
}
