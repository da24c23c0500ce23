package progress

import (
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/builds"
)

// TestProgressIsBounded: a command that writes without end is clipped as docker clips
// it, and what is kept for slow readers has a limit.
func TestProgressIsBounded(t *testing.T) {
	t.Parallel()
	s := New()
	step := &builds.Vertex{Name: "[2/2] RUN yes", Definition: "sha256:1"}
	s.Event(builds.Event{Kind: builds.Started, Vertex: step, Time: time.Now()})
	for range 100 {
		s.Event(builds.Event{Kind: builds.Log, Vertex: step, Stream: 1, Data: make([]byte, 64<<10), Time: time.Now()})
	}
	s.Event(builds.Event{Kind: builds.Done, Vertex: step, Time: time.Now()})
	s.Close()
	s.Add(&control.StatusResponse{}) // after the end: nobody is told
	total, last, ended := 0, "", false
	err := s.Follow(t.Context(), func(r *control.StatusResponse) error {
		for _, l := range r.Logs {
			total += len(l.Msg)
			last = string(l.Msg)
		}
		for _, v := range r.Vertexes {
			ended = v.Completed != nil
		}
		return nil
	})
	if err != nil || total != maxStepLog+len(clipped) || !strings.HasSuffix(last, clipped) || !ended {
		t.Errorf("%d bytes, ended %v: %v", total, ended, err)
	}
	other := New()
	for i := range 20 {
		step := &builds.Vertex{Name: "step", Definition: ""}
		step.Name = strings.Repeat("s", i+1)
		other.Event(builds.Event{Kind: builds.Log, Vertex: step, Stream: 1, Data: make([]byte, 1<<20), Time: time.Now()})
	}
	if other.kept > maxKept || other.dropped == 0 {
		t.Errorf("%d bytes are kept, %d dropped", other.kept, other.dropped)
	}
}
