// Package upload sends the layers of an image, or of a build cache, to registries while
// the build that makes them goes on. It moves no tag and stores no manifest: the push or
// the export that follows does, and finds there what was sent.
package upload

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/distribution/progress"
)

// parallel bounds the uploads at once to one repository: the steps need the machine more.
const parallel = 2

// Destination is a repository.
type Destination struct {
	// Name is for people, and Then what sends again that could not be sent.
	Name, Then string
	// Push sends a blob, unless it is there.
	Push func(ctx context.Context, desc ocispec.Descriptor, tell progress.Func) error
}

// Stream sends layers to one repository. Its methods are safe for concurrent use.
type Stream struct {
	to     Destination
	begin  func(name string) export.Step
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // is that of a build, in which layers come by callbacks

	mu      sync.Mutex
	seen    map[digest.Digest]bool
	sent    map[digest.Digest]bool
	waiting []ocispec.Descriptor
	workers int
	step    export.Step // begun with the first layer
	err     error       // of the first layer that could not be sent
	over    bool        // no more are taken
	idle    sync.WaitGroup
}

// Begin begins to take layers, until ctx ends. step begins a step of the build's
// progress. Stop it.
func Begin(ctx context.Context, to Destination, step func(name string) export.Step) *Stream {
	s := &Stream{to: to, begin: step, seen: map[digest.Digest]bool{}, sent: map[digest.Digest]bool{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// Layer sends a layer, once, beside whoever calls.
func (s *Stream) Layer(desc ocispec.Descriptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.err != nil || s.seen[desc.Digest] {
		return
	}
	if s.step == nil {
		s.step = s.begin("pushing finished layers to " + s.to.Name)
	}
	s.seen[desc.Digest] = true
	s.waiting = append(s.waiting, desc)
	if s.workers < parallel {
		s.workers++
		s.idle.Go(s.work)
	}
}

// work sends layers while there are some.
func (s *Stream) work() {
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 || s.err != nil {
			s.workers--
			s.mu.Unlock()
			return
		}
		desc := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()
		if err := s.send(desc); err != nil {
			s.mu.Lock()
			if s.err == nil {
				s.err = err
			}
			s.mu.Unlock()
		}
	}
}

// send sends one layer and tells how.
func (s *Stream) send(desc ocispec.Descriptor) error {
	start := time.Now()
	var last progress.Event
	err := s.to.Push(s.ctx, desc, func(e progress.Event) { last = e })
	if err != nil {
		return err
	}
	s.step.Log(Line(desc, last, time.Since(start)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[desc.Digest] = true
	return nil
}

// Sent says whether the repository has a layer from this stream: it need not be asked.
func (s *Stream) Sent(layer digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[layer]
}

// Line says what became of a layer, by the last event about it; took is shown of those
// that were sent.
func Line(desc ocispec.Descriptor, last progress.Event, took time.Duration) string {
	what := fmt.Sprintf("%s %s ", short(desc.Digest), units.HumanSize(float64(desc.Size)))
	switch last.Kind {
	case progress.AlreadyExists:
		return what + "is there already"
	case progress.Mounted:
		return what + "mounted from " + last.From
	}
	return what + fmt.Sprintf("pushed in %.1fs", took.Seconds())
}

func short(d digest.Digest) string { return "sha256:" + d.Encoded()[:12] }

// Wait takes no more layers and waits for those that were taken. What could not be sent
// is no error: Then tries it again, and says why if it cannot either.
func (s *Stream) Wait() {
	s.mu.Lock()
	over := s.over
	s.over = true
	s.mu.Unlock()
	s.idle.Wait()
	if over || s.step == nil {
		return
	}
	if s.err != nil && s.ctx.Err() == nil {
		s.step.Log(fmt.Sprintf("stopped: %v; %s tries again", s.err, s.to.Then))
	}
	s.step.End(s.ctx.Err())
}

// Stop ends what is on its way, and waits for that.
func (s *Stream) Stop() {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if !over {
		s.cancel()
	}
	s.Wait()
	s.cancel()
}

// Streams are several, as one.
type Streams []*Stream

// Layer sends a layer by all of them.
func (all Streams) Layer(desc ocispec.Descriptor) {
	for _, s := range all {
		s.Layer(desc)
	}
}

// Wait waits for all of them.
func (all Streams) Wait() {
	for _, s := range all {
		s.Wait()
	}
}

// Stop ends all of them.
func (all Streams) Stop() {
	for _, s := range all {
		s.Stop()
	}
}
