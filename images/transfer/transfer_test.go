package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/remote"
	"cove/images/remote/linked"
	"cove/layers"

	_ "cove/layers/compress/codec/linked"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// staller lets so many bytes through, and then nothing until the client is gone.
type staller struct {
	http.ResponseWriter
	ctx  context.Context
	left int
}

func (s *staller) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(len(p), s.left)])
	if s.left -= n; s.left > 0 || err != nil {
		return n, err
	}
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	<-s.ctx.Done()
	return n, s.ctx.Err()
}

// remote serves one blob and counts how often it is asked for. The first answer
// stalls after so many bytes, if that is not 0.
func serving(t *testing.T, body []byte, stall int) (repo remote.Repository, desc ocispec.Descriptor, gets *atomic.Int64) {
	t.Helper()
	gets = new(atomic.Int64)
	h := distributiontest.Handler(t, context.Background(), distributiontest.NewMemory(memstore.New(nil)))
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") && gets.Add(1) == 1 && stall > 0 {
			w = &staller{ResponseWriter: w, ctx: r.Context(), left: stall}
		}
		h.ServeHTTP(w, r)
	}))
	c, err := client.New(client.Config{RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	to := c.Repository(host, "app")
	src := memstore.New(nil)
	desc, err = content.WriteBytes(t.Context(), src, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.PushBlob(t.Context(), desc, src, client.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	return linked.Of(c).Repository(host, "app"), desc, gets
}

func readAll(t *testing.T, s *Source, desc ocispec.Descriptor) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenStoresOnTheWay(t *testing.T) {
	t.Parallel()
	body := contenttest.Bytes(1, 5<<20+3)
	repo, desc, gets := serving(t, body, 0)
	var kinds []progress.Kind
	s := &Source{Content: memstore.New(nil), Repo: repo, Progress: func(e progress.Event) {
		if len(kinds) == 0 || kinds[len(kinds)-1] != e.Kind {
			kinds = append(kinds, e.Kind)
		}
	}}
	for range 2 {
		if !bytes.Equal(readAll(t, s, desc), body) {
			t.Fatal("read other bytes than were pushed")
		}
	}
	if gets.Load() != 1 {
		t.Errorf("fetched %d times, want once", gets.Load())
	}
	if len(kinds) != 3 || kinds[0] != progress.Downloading || kinds[1] != progress.Downloaded || kinds[2] != progress.Extracting {
		t.Errorf("events %v", kinds)
	}
}

// TestClosedEarly gives a reader up in the middle: the download must end, and
// the next must go on where it was.
func TestClosedEarly(t *testing.T) {
	t.Parallel()
	body := contenttest.Bytes(1, 12<<20)
	repo, desc, gets := serving(t, body, 3<<20)
	store := memstore.New(nil)
	s := &Source{Content: store, Repo: repo}
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := store.Begin(t.Context(), "pull/"+desc.Digest.String())
	if err != nil || w.Offset() < 1<<20 || w.Offset() > 3<<20 {
		t.Fatalf("kept %d bytes, %v", w.Offset(), err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, s, desc), body) || gets.Load() != 2 {
		t.Errorf("resumed with other bytes, or in %d requests", gets.Load())
	}
}

// TestReaderThatWaits: a reader that does not read stops no download, since
// another may be waiting for the same blob.
func TestReaderThatWaits(t *testing.T) {
	t.Parallel()
	body := contenttest.Bytes(1, 12<<20)
	repo, desc, gets := serving(t, body, 0)
	s := &Source{Content: memstore.New(nil), Repo: repo}
	idle, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, s, desc), body) || gets.Load() != 1 {
		t.Errorf("the other reader read wrong, or fetched again (%d requests)", gets.Load())
	}
	got, err := io.ReadAll(idle)
	if err := errors.Join(err, idle.Close()); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the reader that waited read %d bytes, %v", len(got), err)
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	body := contenttest.Bytes(1, 3<<20)
	repo, desc, gets := serving(t, body, 0)
	s := &Source{Content: memstore.New(nil), Repo: repo}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := s.Fetch(t.Context(), []layers.Layer{{Blob: desc}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if gets.Load() != 1 {
		t.Errorf("fetched %d times, want once", gets.Load())
	}
}

// crowded is a store where the next one opens a write as soon as it is closed.
type crowded struct{ content.Store }

type crowdedWriter struct {
	content.Writer
	next func() error
}

func (w crowdedWriter) Close() error { return errors.Join(w.Writer.Close(), w.next()) }

func (c crowded) Begin(ctx context.Context, id string) (content.Writer, error) {
	w, err := c.Store.Begin(ctx, id)
	return crowdedWriter{w, func() error {
		_, err := c.Store.Begin(ctx, id)
		return err
	}}, err
}

// TestFinishedByAnother finds a layer finished, and its write opened again by a third.
func TestFinishedByAnother(t *testing.T) {
	t.Parallel()
	body := contenttest.Bytes(1, 1<<20)
	repo, desc, gets := serving(t, body, 0)
	s := &Source{Content: crowded{memstore.New(nil)}, Repo: repo}
	if _, err := content.WriteBytes(t.Context(), s.Content.(crowded).Store, desc, body); err != nil {
		t.Fatal(err)
	}
	r, err := s.download(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, body) || gets.Load() != 0 {
		t.Errorf("read %d bytes, %v, in %d requests", len(got), err, gets.Load())
	}
}

func TestNowhere(t *testing.T) {
	t.Parallel()
	s := &Source{Content: memstore.New(nil)}
	if _, err := s.Open(t.Context(), ocispec.Descriptor{Digest: digest.FromString("x")}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("Open: %v", err)
	}
	repo, _, _ := serving(t, []byte("x"), 0)
	s.Repo = repo
	r, err := s.Open(t.Context(), ocispec.Descriptor{Digest: digest.FromString("y"), Size: 1})
	if err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what the registry does not have: %v", err)
	}
}
