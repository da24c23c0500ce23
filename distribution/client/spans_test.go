package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/client/spans"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// TestLongBlobs: they come in ranges, several at once, from a registry that answers
// them, whole from one that does not, over lines that are cut, and from the middle; and
// bytes that are others are never a blob.
func TestLongBlobs(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, spans.AtLeast+123456)
	layer := img.Layers[0]
	body := img.Blobs[layer.Digest]
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	push(t, distributiontest.Serve(t, t.Context(), reg), "team/app", img)
	handler := distributiontest.Handler(t, t.Context(), reg)
	noRanges := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		handler.ServeHTTP(w, r)
	})
	lying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Another range of the same length, under the name of the one that was asked for.
		asked := r.Header.Get("Range")
		if from, ok := strings.CutPrefix(asked, "bytes=8388608-"); ok && from != "" {
			w.Header().Set("Content-Range", "bytes 8388608-16777215/"+strconv.FormatInt(layer.Size, 10))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[:spans.Size])
			return
		}
		handler.ServeHTTP(w, r)
	})
	for name, c := range map[string]struct {
		handler  http.Handler
		requests int64
		kind     error
	}{
		"ranges":    {handler, 5, nil},
		"no ranges": {noRanges, 1, nil},
		"lies":      {lying, 5, errdefs.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/blobs/") {
					requests.Add(1)
				}
				c.handler.ServeHTTP(w, r)
			}))
			store := memstore.New(time.Now)
			repo := distributiontest.NewClient(t, client.Config{}).Repository(host, "team/app")
			if err := repo.FetchBlob(t.Context(), store, layer, nil); !errors.Is(err, c.kind) {
				t.Fatalf("%v, want %v", err, c.kind)
			}
			if n := requests.Load(); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
	t.Run("cut", func(t *testing.T) { t.Parallel(); longOverCuts(t, handler, layer, body) })
}

func longOverCuts(t *testing.T, handler http.Handler, layer ocispec.Descriptor, body []byte) {
	t.Helper()
	host, l := serveChoppy(t, handler, 3<<20, 6)
	var waits atomic.Int64
	repo := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)}).Repository(host, "team/app")
	r, err := repo.OpenBlob(t.Context(), layer, 1234, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body[1234:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil || l.made.Load() == 0 {
		t.Errorf("%d cuts, %v", l.made.Load(), err)
	}
}

// BenchmarkLongBlob reads a blob of 500 MB in ranges, and from a registry that answers
// none, over loopback as it is and with so much a second for a connection.
func BenchmarkLongBlob(b *testing.B) {
	const size = 500_000_000
	desc := ocispec.Descriptor{Digest: digest.FromString("never checked here"), Size: size}
	chunk := make([]byte, 1<<20)
	for name, c := range map[string]struct{ ranges, slow bool }{
		"one stream": {}, "ranges": {ranges: true}, "one slow stream": {slow: true}, "slow ranges": {true, true},
	} {
		b.Run(name, func(b *testing.B) {
			host := distributiontest.Listen(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				from, to := int64(0), int64(size-1)
				if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); c.ranges && n > 0 {
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
					w.WriteHeader(http.StatusPartialContent)
				}
				for left := to + 1 - from; left > 0; left -= int64(len(chunk)) {
					if _, err := w.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
						return
					}
					if c.slow {
						time.Sleep(16 * time.Millisecond) // 65 MB/s
					}
				}
			}))
			repo := distributiontest.NewClient(b, client.Config{}).Repository(host, "a")
			b.SetBytes(size)
			for b.Loop() {
				r, err := repo.OpenBlob(b.Context(), desc, 0, nil)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, struct{ io.Reader }{r}); err != nil || n != size {
					b.Fatal(n, err)
				}
				_ = r.Close()
			}
		})
	}
}
