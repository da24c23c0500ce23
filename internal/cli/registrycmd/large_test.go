package registrycmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var largeBlob = flag.Int64("large-blob", 16<<20, "bytes of the blob that is pushed to a disk and pulled from it")

// mostResident is what a registry may have in memory at its peak, in kB.
const mostResident = 60_000

// TestLargeBlob pushes one blob over TLS in two streams, of which the first is cut in its middle,
// and pulls it whole and from its middle on. With a blob of gigabytes the registry's memory must
// not have grown with it.
func TestLargeBlob(t *testing.T) {
	t.Parallel()
	size := *largeBlob
	p := serveBy(t, installed(t, size), t.TempDir())
	begun := time.Now()
	status, header, body := p.do("POST", "/v2/large/blob/blobs/uploads/", nil)
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	upload := header.Get("Location")
	whole := sha256.New()
	source := newStream(size, whole)
	// The first half ends without its end: the client is gone.
	if status := p.stream(upload, io.MultiReader(io.LimitReader(source, size/2), failing{}), 0); status != 0 {
		t.Fatalf("a body that was cut: %d", status)
	}
	var at int64
	for tries := 0; ; tries++ { // what came of the first stream may still be written
		at = p.arrived(upload)
		rest := newStream(size, sha256.New())
		if _, err := io.CopyN(io.Discard, rest, at); err != nil {
			t.Fatal(err)
		}
		status := p.stream(upload, rest, at)
		if status == http.StatusAccepted {
			break
		}
		if tries == 20 {
			t.Fatalf("the rest, from byte %d on: %d", at, status)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if _, err := io.Copy(io.Discard, source); err != nil {
		t.Fatal(err)
	}
	dgst := "sha256:" + hex.EncodeToString(whole.Sum(nil))
	if status, _, body := p.do("PUT", upload+"?digest="+dgst, nil); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	pushed := time.Since(begun)
	begun = time.Now()
	for from, want := range map[int64]string{0: dgst, size / 2: sumFrom(t, size, size/2)} {
		if got := p.sum("/v2/large/blob/blobs/"+dgst, from); got != want {
			t.Errorf("from byte %d on: %s, want %s", from, got, want)
		}
	}
	peak := statusOf(t, p.cmd.Process.Pid, "VmHWM")
	t.Logf("a blob of %d MiB, resumed at %d MiB: pushed in %v, pulled 1.5 times in %v, %d kB resident at most",
		size>>20, at>>20, pushed.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), peak)
	if size >= 1<<30 && peak > mostResident { // less than that says nothing, and the race detector has memory of its own
		t.Errorf("the registry had %d kB in memory, %d are the most", peak, mostResident)
	}
	p.Stop()
}

// installed is the registry to measure with a blob of a size: from a gibibyte on the one that
// people install, as pages of the program count; else this test.
func installed(t *testing.T, size int64) (program string) {
	t.Helper()
	if size < 1<<30 {
		return os.Args[0]
	}
	program = filepath.Join(t.TempDir(), "registry")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "cove/cmd/registry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// newStream are bytes that can be made again, of which sum hears.
func newStream(size int64, sum hash.Hash) io.Reader {
	return io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sum)
}

func sumFrom(t *testing.T, size, from int64) string {
	t.Helper()
	all, sum := newStream(size, sha256.New()), sha256.New()
	_, err := io.CopyN(io.Discard, all, from)
	if err == nil {
		_, err = io.Copy(sum, all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the client is gone") }

// arrived is how many bytes of an upload the registry has, once nobody writes it any more.
func (p *process) arrived(upload string) int64 {
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		status, header, body := p.do("GET", upload, nil)
		_, last, _ := strings.Cut(header.Get("Range"), "-")
		n, err := strconv.ParseInt(last, 10, 64)
		if status == http.StatusNoContent && err == nil {
			return n + 1
		}
		if status != http.StatusServiceUnavailable || time.Since(begun) > time.Minute {
			p.t.Fatalf("the status of the upload: %d %v %s", status, header, body)
		}
	}
}

// stream sends a chunk of unknown length that begins at a byte; 0 is a connection that broke.
func (p *process) stream(upload string, body io.Reader, at int64) int {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPatch, p.URL(upload), io.NopCloser(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth("admin", testPassword)
	req.Header.Set("Content-Type", "application/octet-stream")
	if at > 0 {
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", at, *largeBlob-1))
		req.ContentLength = *largeBlob - at
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// sum reads a blob from a byte on and hashes it.
func (p *process) sum(path string, from int64) string {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.URL(path), http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth("admin", testPassword)
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, resp.Body); err != nil {
		p.t.Fatal(err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// statusOf is what the kernel says of a process's memory, in kB.
func statusOf(t *testing.T, pid int, what string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), what+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatal("the kernel does not say what a process has in memory")
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
