package upload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/distribution/progress"
)

// told is a step of the progress and what was told of it.
type told struct {
	mu    sync.Mutex
	names []string
	lines []string
	ended []error
}

func (t *told) begin(name string) export.Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, name)
	return t
}

func (t *told) Log(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, text)
}

func (t *told) End(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = append(t.ended, err)
}

func blob(name string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(name), Size: int64(len(name))}
}

// TestSendsEachLayerOnce: beside the caller, no more at once than the bound, and all of
// them are there after Wait.
func TestSendsEachLayerOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent []digest.Digest
	var now, most atomic.Int64
	full := make(chan struct{})
	var once sync.Once
	var to told
	s := Begin(t.Context(), Destination{Name: "reg/team/app", Then: "the push of the image", Push: func(
		_ context.Context, d ocispec.Descriptor, tell progress.Func,
	) error {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == parallel {
			once.Do(func() { close(full) })
		}
		<-full // as many as may be are at it
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, d.Digest)
		tell(progress.Event{Kind: progress.Pushed, Desc: d})
		return nil
	}}, to.begin)
	defer s.Stop()
	names := []string{"a", "b", "c", "d", "a", "b"}
	for _, n := range names {
		s.Layer(blob(n))
	}
	s.Wait()
	s.Layer(blob("late"))
	s.Stop()
	if len(sent) != 4 || most.Load() != parallel {
		t.Errorf("%d layers were sent, %d at once; want 4, %d", len(sent), most.Load(), parallel)
	}
	if slices.Contains(sent, blob("late").Digest) {
		t.Error("a layer was taken after Wait")
	}
	if want := []string{"pushing finished layers to reg/team/app"}; !slices.Equal(to.names, want) {
		t.Errorf("steps %q, want %q", to.names, want)
	}
	if len(to.lines) != 4 || !slices.Equal(to.ended, []error{nil}) {
		t.Errorf("lines %q, ends %v", to.lines, to.ended)
	}
}

// TestStopsAtTheFirstError: what cannot be sent is left to the push, which is said; it
// fails nothing here.
func TestStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	var to told
	s := Begin(t.Context(), Destination{Then: "the push of the image", Push: func(context.Context, ocispec.Descriptor, progress.Func) error {
		n.Add(1)
		return errors.New("denied: no right to push")
	}}, to.begin)
	defer s.Stop()
	s.Layer(blob("a"))
	s.idle.Wait()
	s.Layer(blob("b"))
	s.Wait()
	if n.Load() != 1 {
		t.Errorf("%d layers were tried, want 1", n.Load())
	}
	if len(to.lines) != 1 || !strings.Contains(to.lines[0], "denied: no right to push; the push of the image tries again") {
		t.Errorf("lines %q", to.lines)
	}
	if !slices.Equal(to.ended, []error{nil}) {
		t.Errorf("ends %v", to.ended)
	}
}

// TestStopEndsWhatIsOnItsWay: as after a build that failed.
func TestStopEndsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	var to told
	begun := make(chan struct{})
	s := Begin(t.Context(), Destination{Then: "the push of the image", Push: func(ctx context.Context, _ ocispec.Descriptor, _ progress.Func) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}}, to.begin)
	s.Layer(blob("a"))
	<-begun
	s.Stop()
	if len(to.ended) != 1 || !errors.Is(to.ended[0], context.Canceled) {
		t.Errorf("ends %v, want one, canceled", to.ended)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	d := ocispec.Descriptor{Digest: digest.FromString("x"), Size: 12_300_000}
	for want, last := range map[string]progress.Event{
		"sha256:2d711642b726 12.3MB pushed in 1.5s":         {Kind: progress.Pushed},
		"sha256:2d711642b726 12.3MB is there already":       {Kind: progress.AlreadyExists},
		"sha256:2d711642b726 12.3MB mounted from team/base": {Kind: progress.Mounted, From: "team/base"},
	} {
		if got := Line(d, last, 1500*time.Millisecond); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
