// Package progress is what is told of a build, in BuildKit's messages.
package progress

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/types/known/timestamppb"

	"cove/engine/builds"
)

const (
	// maxStepLog is how much of the output of one step is told, as docker clips it.
	maxStepLog = 2 << 20
	clipped    = "\n[output clipped, log limit 2MiB reached]\n"
	// maxKept bounds the logs that are kept for whoever reads slowly, or comes late.
	maxKept = 16 << 20
)

// Log is the progress of a build, which several may follow from its beginning. It
// is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	entries []*control.StatusResponse
	dropped int // entries that are no longer kept, from the first
	kept    int // bytes of logs in entries
	closed  bool
	changed chan struct{}

	started map[digest.Digest]time.Time
	logged  map[digest.Digest]int
	command []string // of the step that failed
}

// New returns a log that nothing was told to yet.
func New() *Log {
	return &Log{
		changed: make(chan struct{}), started: map[digest.Digest]time.Time{}, logged: map[digest.Digest]int{},
	}
}

// Add tells one thing.
func (s *Log) Add(r *control.StatusResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.append(r)
}

func (s *Log) append(r *control.StatusResponse) {
	if s.closed {
		return
	}
	s.entries = append(s.entries, r)
	s.kept += size(r)
	for s.kept > maxKept {
		s.kept -= size(s.entries[0])
		s.entries[0] = nil
		s.entries = s.entries[1:]
		s.dropped++
	}
	s.wake()
}

func size(r *control.StatusResponse) (n int) {
	for _, l := range r.Logs {
		n += len(l.Msg)
	}
	return n
}

func (s *Log) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Close says that nothing follows.
func (s *Log) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.wake()
	}
}

// Follow sends everything, from the first to the last.
func (s *Log) Follow(ctx context.Context, send func(*control.StatusResponse) error) error {
	next := 0
	for {
		s.mu.Lock()
		next = max(next, s.dropped)
		todo := s.entries[next-s.dropped:]
		closed, changed := s.closed, s.changed
		s.mu.Unlock()
		for _, r := range todo {
			if err := send(r); err != nil {
				return err
			}
		}
		next += len(todo)
		if closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// vertexOf names a step of a build; the builder's own steps have names alone.
func vertexOf(v *builds.Vertex) digest.Digest {
	if v.Definition != "" {
		return v.Definition
	}
	return digest.FromString(v.Name)
}

// Event takes one step of a build; it is a builds.Options.Progress.
func (s *Log) Event(e builds.Event) {
	id := vertexOf(e.Vertex)
	at := timestamppb.New(e.Time)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind == builds.Log {
		s.log(id, e)
		return
	}
	v := &control.Vertex{Digest: id.String(), Name: e.Vertex.Name, Started: at}
	switch e.Kind {
	case builds.Started:
		s.started[id] = e.Time
	case builds.Cached:
		v.Cached, v.Completed = true, at
	default:
		if begun, ok := s.started[id]; ok {
			v.Started = timestamppb.New(begun)
		}
		v.Completed = at
	}
	switch {
	case e.Kind == builds.Canceled:
		v.Error = context.Canceled.Error()
	case e.Err != nil:
		s.command = builds.Command(e.Vertex)
		v.Error = Words(e.Err, e.Err.Error(), s.command)
	}
	s.append(&control.StatusResponse{Vertexes: []*control.Vertex{v}})
}

// log tells what a command wrote, up to the limit.
func (s *Log) log(id digest.Digest, e builds.Event) {
	had := s.logged[id]
	if had > maxStepLog {
		return
	}
	s.logged[id] = had + len(e.Data)
	data := append([]byte(nil), e.Data...)
	if s.logged[id] > maxStepLog {
		data = append(data[:maxStepLog-had], clipped...)
	}
	s.append(&control.StatusResponse{Logs: []*control.VertexLog{{
		Vertex: id.String(), Timestamp: timestamppb.New(e.Time), Stream: int64(e.Stream), Msg: data,
	}}})
}

// Failed is the command of the step that failed; nil if it was none.
func (s *Log) Failed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.command
}

// Warn tells advice about lines of a Dockerfile.
func (s *Log) Warn(source []byte, warnings []builds.Warning) {
	for _, w := range warnings {
		short := w.Rule + ": " + w.Text
		if w.Location.Line > 0 {
			short += fmt.Sprintf(" (line %d)", w.Location.Line)
		}
		out := &control.VertexWarning{
			Vertex: digest.FromString(w.Location.File).String(), Level: 1, Short: []byte(short),
			Detail: [][]byte{[]byte(w.Text)}, Url: w.URL,
		}
		if w.Location.Line > 0 {
			out.Info, out.Ranges = Info(source, w.Location), Ranges(w.Location)
		}
		s.Add(&control.StatusResponse{Warnings: []*control.VertexWarning{out}})
	}
}

// Info is a Dockerfile, and Ranges the lines of an instruction in it.
func Info(source []byte, at builds.Location) *pb.SourceInfo {
	return &pb.SourceInfo{Filename: at.File, Data: source, Language: "Dockerfile"}
}

// Ranges is described at Info.
func Ranges(at builds.Location) []*pb.Range {
	first, last := int32(at.Line), int32(max(at.Line, at.End)) //nolint:gosec // lines of a file of 16 MiB at most
	return []*pb.Range{{Start: &pb.Position{Line: first}, End: &pb.Position{Line: last}}}
}

// Words are the text of an error. That of a command that failed is docker's, which
// scripts look for.
func Words(err error, text string, command []string) string {
	var exit *builds.ExitError
	if errors.As(err, &exit) && command != nil {
		return fmt.Sprintf("process %q did not complete successfully: exit code: %d",
			strings.Join(command, " "), exit.Code)
	}
	return text
}
