package steps

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/engine/builds"
)

// Raw writes the events of a build as lines of JSON in the shape of buildx's
// --progress=rawjson, for programs. It is safe for concurrent use.
type Raw struct {
	mu  sync.Mutex
	enc *json.Encoder
	// started are the steps that run, by index.
	started map[int]time.Time
}

// NewRaw writes to w.
func NewRaw(w io.Writer) *Raw {
	return &Raw{enc: json.NewEncoder(w), started: map[int]time.Time{}}
}

// rawStatus is one line.
type rawStatus struct {
	Vertexes []rawVertex `json:"vertexes,omitempty"`
	Logs     []rawLog    `json:"logs,omitempty"`
}

type rawVertex struct {
	Digest    digest.Digest `json:"digest"`
	Name      string        `json:"name"`
	Started   *time.Time    `json:"started,omitempty"`
	Completed *time.Time    `json:"completed,omitempty"`
	Cached    bool          `json:"cached,omitempty"`
	Error     string        `json:"error,omitempty"`
}

type rawLog struct {
	Vertex    digest.Digest `json:"vertex"`
	Stream    int           `json:"stream"`
	Data      []byte        `json:"data"`
	Timestamp time.Time     `json:"timestamp"`
}

// Event takes one step of the build; it is a builds.Options.Progress.
func (r *Raw) Event(e builds.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := rawVertex{Name: e.Vertex.Name, Digest: e.Vertex.Definition}
	if v.Digest == "" { // the builder's own steps have names alone
		v.Digest = digest.FromString(v.Name)
	}
	at := e.Time
	switch e.Kind {
	case builds.Log:
		r.send(rawStatus{Logs: []rawLog{{Vertex: v.Digest, Stream: e.Stream, Data: e.Data, Timestamp: at}}})
		return
	case builds.Started:
		r.started[e.Index], v.Started = at, &at
	case builds.Cached:
		v.Started, v.Completed, v.Cached = &at, &at, true
	case builds.Done, builds.Failed, builds.Canceled:
		begun := r.started[e.Index]
		v.Started, v.Completed = &begun, &at
	}
	if e.Err != nil {
		v.Error = e.Err.Error()
	}
	r.send(rawStatus{Vertexes: []rawVertex{v}})
}

// send ignores a reader that went away: the build is what matters.
func (r *Raw) send(s rawStatus) { _ = r.enc.Encode(s) }
