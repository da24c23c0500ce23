package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
)

// stalling serves a registry that sends the beginning of a blob and then nothing,
// the first time; afterwards it notes from where on the blob was asked for.
type stalling struct {
	http.Handler
	blob    string
	after   int
	stalled chan struct{}

	mu     sync.Mutex
	ranges []string
}

func (s *stalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, s.blob) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		first := len(s.ranges) == 1
		s.mu.Unlock()
		if first {
			w = &stall{ResponseWriter: w, s: s, r: r}
		}
	}
	s.Handler.ServeHTTP(w, r)
}

type stall struct {
	http.ResponseWriter
	s    *stalling
	r    *http.Request
	sent int
}

func (w *stall) Write(p []byte) (int, error) {
	if w.sent += len(p); w.sent > w.s.after {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // a client that has gone finds out below
		close(w.s.stalled)
		<-w.r.Context().Done()
		return 0, w.r.Context().Err()
	}
	return w.ResponseWriter.Write(p)
}

// TestInterruptedCopyGoesOn interrupts a copy into a layout in the middle of a blob:
// there is no tag then, and the next copy asks for the rest alone.
func TestInterruptedCopyGoesOn(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 8<<20)
	reg := distributiontest.NewMemory(memstore.New(time.Now))
	s := &stalling{
		Handler: distributiontest.Handler(t, t.Context(), reg), blob: img.Layers[0].Digest.String(), after: 3 << 20,
		stalled: make(chan struct{}),
	}
	host := distributiontest.Listen(t, s)
	repo := distributiontest.NewClient(t, client.Config{}).Repository(host, "team/app")
	err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	var shown bytes.Buffer
	start := func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(binDir(t), "cove"), "copy", host+"/team/app:v1", "oci:out:v1")
		cmd.Dir, cmd.Stdout, cmd.Stderr = work, &shown, &shown
		cmd.Env = append(os.Environ(), "COVE_ROOT="+filepath.Join(work, "state"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	cmd := start()
	select {
	case <-s.stalled:
	case <-time.After(time.Minute):
		t.Error("the blob was never asked for")
	}
	time.Sleep(100 * time.Millisecond) // what was sent arrives
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("interrupted: %v\n%s", err, &shown)
	}
	if tags := tagsOf(t, work); len(tags) != 0 {
		t.Errorf("the tags %q of a copy that was interrupted", tags)
	}
	if err := start().Wait(); err != nil {
		t.Errorf("again: %v\n%s", err, &shown)
	}
	if tags := tagsOf(t, work); len(tags) != 1 {
		t.Errorf("tags %q", tags)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ranges) != 2 || s.ranges[0] != "" || !strings.HasPrefix(s.ranges[1], "bytes=") || s.ranges[1] == "bytes=0-" {
		t.Errorf("the blob was asked for %q", s.ranges)
	}
}

func tagsOf(t *testing.T, work string) []string {
	t.Helper()
	d, err := layout.Open(filepath.Join(work, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tags, err := d.Tags()
	if err != nil {
		t.Fatal(err)
	}
	return tags
}
