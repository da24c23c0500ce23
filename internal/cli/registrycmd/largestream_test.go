package registrycmd

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/content/s3store/s3test"
)

var streamedBlob = flag.Int64("streamed-blob", 128<<20, "bytes of the blob that is pushed to a bucket which keeps none of them")

// TestStreamedBlob pushes one blob, which is made as it is sent, to a registry whose bucket
// counts the parts of large objects and throws them away: no disk bounds its size. What is
// pulled is made again. The registry that people install has its peak of memory measured, and
// it must not have grown with the blob.
func TestStreamedBlob(t *testing.T) {
	t.Parallel()
	size, bucket := *streamedBlob, &discarding{parts: map[string]map[int]int64{}, objects: map[string]int64{}}
	place := s3test.Start(t).Front(t, func(next http.Handler) http.Handler { bucket.next = next; return bucket })
	// A machine that stands still for minutes, as one that is moved does, is no stalled client.
	text := fmt.Sprintf("limits: {stall: 10m}\nstorage:\n  s3: {endpoint: %q, bucket: %q, prefix: %q, credentials: %q, ca: %q}\n",
		place.Endpoint, place.Bucket, place.Prefix, place.Credentials, place.CA)
	config := filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveBy(t, installed(t, size), t.TempDir(), "--config", config)
	status, header, body := p.do("POST", "/v2/large/stream/blobs/uploads/", nil)
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	upload, sum, begun := header.Get("Location"), sha256.New(), time.Now()
	if status := p.stream(upload, io.TeeReader(&numbers{size: size}, sum), 0); status != http.StatusAccepted {
		t.Fatalf("the stream: %d\n%s", status, &p.stderr)
	}
	dgst := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	if status, _, body := p.do("PUT", upload+"?digest="+dgst, nil); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	pushed := time.Since(begun)
	if stored := bucket.largest(); stored != size {
		t.Errorf("the bucket was given %d bytes of %d", stored, size)
	}
	from := max(0, size-1<<30)
	want := sha256.New()
	if _, err := io.Copy(want, &numbers{size: size, at: from}); err != nil {
		t.Fatal(err)
	}
	if got := p.sum("/v2/large/stream/blobs/"+dgst, from); got != "sha256:"+hex.EncodeToString(want.Sum(nil)) {
		t.Errorf("from byte %d on it is another one", from)
	}
	peak, own := statusOf(t, p.cmd.Process.Pid, "VmHWM"), statusOf(t, p.cmd.Process.Pid, "RssAnon")
	t.Logf("a stream of %d MiB, pushed in %v, %d kB resident at most, of which %d kB are no pages of the program",
		size>>20, pushed.Round(time.Millisecond), peak, own)
	if size >= 1<<30 && (peak > mostResident || own > mostOwn) {
		t.Errorf("the registry had %d kB in memory, and %d kB of its own", peak, own)
	}
	p.Stop()
}

// mostOwn is what a registry may have in memory besides pages of the program, in kB: a blob of
// one gibibyte takes 21,000 of it, one of eight 23,000.
const mostOwn = 26_000

// discarding is a bucket that throws away what comes in parts, and makes it again when it is
// read; all else is the service's behind it.
type discarding struct {
	next    http.Handler
	mu      sync.Mutex
	uploads int
	parts   map[string]map[int]int64 // by upload: sizes by number
	objects map[string]int64         // sizes by path
}

func (d *discarding) largest() (size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.objects {
		size = max(size, n)
	}
	return size
}

func (d *discarding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	d.mu.Lock()
	size, ours := d.objects[r.URL.Path]
	d.mu.Unlock()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		d.begin(w)
	case r.Method == http.MethodPut && id != "":
		d.part(w, r, id, q.Get("partNumber"))
	case r.Method == http.MethodPost && id != "":
		d.complete(w, r.URL.Path, id)
	case r.Method == http.MethodDelete && id != "":
		w.WriteHeader(http.StatusNoContent)
	case ours && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Etag", `"made"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), &numbers{size: size})
	default:
		d.next.ServeHTTP(w, r)
	}
}

func (d *discarding) begin(w http.ResponseWriter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uploads++
	id := fmt.Sprint("upload-", d.uploads)
	d.parts[id] = map[int]int64{}
	answerXML(w, "<InitiateMultipartUploadResult><UploadId>"+id+"</UploadId></InitiateMultipartUploadResult>")
}

func (d *discarding) part(w http.ResponseWriter, r *http.Request, id, number string) {
	n, err := io.Copy(io.Discard, r.Body)
	if span := r.Header.Get("X-Amz-Copy-Source-Range"); span != "" {
		var first, last int64
		_, err = fmt.Sscanf(span, "bytes=%d-%d", &first, &last)
		n = last - first + 1
	}
	i, errNumber := strconv.Atoi(number)
	if err = errors.Join(err, errNumber); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	d.parts[id][i] = n
	d.mu.Unlock()
	w.Header().Set("Etag", `"part"`)
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		answerXML(w, "<CopyPartResult><ETag>part</ETag></CopyPartResult>")
	}
}

func (d *discarding) complete(w http.ResponseWriter, path, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var size int64
	for _, n := range d.parts[id] {
		size += n
	}
	d.objects[path] = size
	answerXML(w, "<CompleteMultipartUploadResult><ETag>made</ETag></CompleteMultipartUploadResult>")
}

func answerXML(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.Copy(w, strings.NewReader(`<?xml version="1.0" encoding="UTF-8"?>`+text)) // who is gone hears nothing
}

// numbers is a stream of so many bytes, of which each eight say where they are.
type numbers struct{ size, at int64 }

func (n *numbers) Read(p []byte) (int, error) {
	if n.at >= n.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), n.size-n.at)]
	var word [8]byte
	for i := 0; i < len(p); {
		v := uint64((n.at+int64(i))/8+1) * 0x9e3779b97f4a7c15
		if within := (n.at + int64(i)) % 8; within != 0 || len(p)-i < 8 {
			binary.LittleEndian.PutUint64(word[:], v)
			i += copy(p[i:], word[within:])
			continue
		}
		binary.LittleEndian.PutUint64(p[i:], v)
		i += 8
	}
	n.at += int64(len(p))
	return len(p), nil
}

func (n *numbers) Seek(offset int64, whence int) (int64, error) {
	n.at = offset + [...]int64{io.SeekStart: 0, io.SeekCurrent: n.at, io.SeekEnd: n.size}[whence]
	return n.at, nil
}
