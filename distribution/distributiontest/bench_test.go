package distributiontest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content/fsstore"
	"cove/distribution/distributiontest"
)

// bench is a registry over files, with all its fsyncs, and one connection.
type bench struct {
	*testing.B
	url   string
	times []time.Duration
}

func newBench(b *testing.B) *bench {
	b.Helper()
	store, err := fsstore.Open(b.TempDir(), fsstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(distributiontest.Handler(b, b.Context(), distributiontest.NewMemory(store)))
	b.Cleanup(srv.Close)
	return &bench{B: b, url: srv.URL}
}

func (b *bench) do(method, path string, body []byte, want int) http.Header {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	b.times = append(b.times, time.Since(begin))
	if resp.StatusCode != want {
		b.Fatalf("%s %s: %d, want %d", method, path, resp.StatusCode, want)
	}
	return resp.Header
}

// report adds the median, which single slow fsyncs do not move.
func (b *bench) report() {
	slices.Sort(b.times)
	b.ReportMetric(float64(b.times[len(b.times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(b.times[len(b.times)*99/100].Microseconds()), "p99-µs")
}

func (b *bench) push(blob []byte) string {
	dgst := digest.FromBytes(blob).String()
	b.do("POST", "/v2/x/y/blobs/uploads/?digest="+dgst, blob, 201)
	return "/v2/x/y/blobs/" + dgst
}

func (b *bench) pushImage(size int) distributiontest.Image {
	img := distributiontest.NewImage(b, 1, size)
	for _, blob := range img.Blobs {
		b.push(blob)
	}
	b.do("PUT", "/v2/x/y/manifests/v1", img.Manifest.Body, 201)
	b.times = nil
	return img
}

func BenchmarkManifestHead(tb *testing.B) {
	b := newBench(tb)
	b.pushImage(1000)
	b.ReportAllocs()
	for b.Loop() {
		b.do("HEAD", "/v2/x/y/manifests/v1", nil, 200)
	}
	b.report()
}

func BenchmarkManifestGet(tb *testing.B) {
	b := newBench(tb)
	b.pushImage(1000)
	b.ReportAllocs()
	for b.Loop() {
		b.do("GET", "/v2/x/y/manifests/v1", nil, 200)
	}
	b.report()
}

func BenchmarkManifestPut(tb *testing.B) {
	b := newBench(tb)
	img := b.pushImage(1000)
	b.ReportAllocs()
	for b.Loop() {
		b.do("PUT", "/v2/x/y/manifests/v1", img.Manifest.Body, 201)
	}
	b.report()
}

func BenchmarkBlobHead(tb *testing.B) {
	b := newBench(tb)
	path := b.push([]byte("x"))
	b.times = nil
	b.ReportAllocs()
	for b.Loop() {
		b.do("HEAD", path, nil, 200)
	}
	b.report()
}

func BenchmarkBlobGet(tb *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 10 << 20} {
		tb.Run(fmt.Sprintf("%dKiB", size>>10), func(tb *testing.B) {
			b := newBench(tb)
			path := b.push(distributiontest.Bytes(1, size))
			b.times = nil
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				b.do("GET", path, nil, 200)
			}
			b.report()
		})
	}
}

// BenchmarkBlobPush is POST and PUT of a blob that is new each time.
func BenchmarkBlobPush(tb *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 10 << 20} {
		tb.Run(fmt.Sprintf("%dKiB", size>>10), func(tb *testing.B) {
			b := newBench(tb)
			blob := distributiontest.Bytes(1, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var whole []time.Duration
			for i := 0; b.Loop(); i++ {
				copy(blob, fmt.Sprintf("%020d", i))
				dgst := digest.FromBytes(blob).String()
				begin := time.Now()
				h := b.do("POST", "/v2/x/y/blobs/uploads/", nil, 202)
				b.do("PUT", h.Get("Location")+"?digest="+dgst, blob, 201)
				whole = append(whole, time.Since(begin))
			}
			b.times = whole
			b.report()
		})
	}
}
