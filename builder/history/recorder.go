package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/event"
	"cove/errdefs"
	"cove/internal/process"
)

// Recorder writes the history of one build while it runs. A failure to write is told
// by End, and stops nothing: a build does not fail for its history. It is safe for
// concurrent use.
type Recorder struct {
	store Store

	mu     sync.Mutex
	record Record
	file   *os.File
	out    *bufio.Writer
	left   int64        // of the bytes that output may take
	known  map[int]bool // steps whose names are in the log
	steps  map[int]bool // steps that ended
	failed error        // the first failure to write
	ended  bool
}

// line is one event in the log.
type line struct {
	Kind  event.Kind `json:"k"`
	Index int        `json:"i"`
	Total int        `json:"n,omitempty"`
	// Name and Definition come with the first event of a step.
	Name       string        `json:"name,omitempty"`
	Definition digest.Digest `json:"def,omitempty"`
	Time       int64         `json:"t"` // nanoseconds since 1970
	Took       time.Duration `json:"d,omitempty"`
	Stream     int           `json:"s,omitempty"`
	Data       []byte        `json:"b,omitempty"`
	Err        string        `json:"e,omitempty"`
	Reason     string        `json:"r,omitempty"`
}

// Begin writes the record of a build that runs, without its arguments and labels: those
// are known to hold no secret when it has ended.
func (s Store) Begin(r Record) (*Recorder, error) {
	r.ID, r.Status, r.Started, r.Builder = newID(), Running, s.Now().UTC(), process.Tag()
	bare := r
	bare.BuildArgs, bare.Labels = nil, nil
	f, err := s.create(bare)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	return &Recorder{
		store: s, record: r, file: f, out: bufio.NewWriterSize(f, 16<<10), left: s.limits().Log,
		known: map[int]bool{}, steps: map[int]bool{},
	}, nil
}

// create makes the directory of a build, with its record and an empty log, which it
// returns open: all of it or, after a kill, what Sweep removes.
func (s Store) create(r Record) (log *os.File, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	making := s.half(r.ID)
	if err := os.MkdirAll(making, 0o700); err != nil {
		return nil, err
	}
	if err = os.WriteFile(filepath.Join(making, recordName), data, 0o600); err == nil {
		log, err = os.OpenFile(filepath.Join(making, logName), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	}
	if err == nil {
		err = os.Rename(making, filepath.Join(s.Dir, r.ID))
	}
	if err != nil {
		if log != nil {
			err = errors.Join(err, log.Close())
		}
		return nil, errors.Join(err, os.RemoveAll(making))
	}
	return log, nil
}

// ID is the build's.
func (r *Recorder) ID() string { return r.record.ID }

// Event adds an event. mask takes the secrets out of texts; what commands wrote has
// gone through one already.
func (r *Recorder) Event(e event.Event, mask func(string) string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || e.Vertex == nil {
		return
	}
	l := line{
		Kind: e.Kind, Index: e.Index, Total: e.Total, Time: e.Time.UnixNano(), Took: e.Duration,
		Stream: e.Stream, Data: e.Data, Reason: mask(e.Reason),
	}
	if e.Kind == event.Log {
		if r.left <= 0 {
			return
		}
		if r.left -= int64(len(e.Data)); r.left <= 0 {
			l.Data = []byte("\n[output beyond the limit of the history of builds is not kept]\n")
		}
	}
	if !r.known[e.Index] {
		r.known[e.Index], l.Name, l.Definition = true, mask(e.Vertex.Name), e.Vertex.Definition
	}
	if e.Err != nil {
		l.Err = mask(e.Err.Error())
	}
	r.count(e)
	r.add(l, e.Kind != event.Log)
}

// count keeps the sums of the record.
func (r *Recorder) count(e event.Event) {
	r.record.Steps = max(r.record.Steps, e.Total, e.Index)
	switch e.Kind {
	case event.Cached, event.Done:
		if !r.steps[e.Index] && e.Kind == event.Cached {
			r.record.Cached++
		}
		r.steps[e.Index] = true
		r.record.Done = len(r.steps)
	}
}

// add writes a line; what changes the state of a step is there for readers at once.
func (r *Recorder) add(l line, flush bool) {
	text, err := json.Marshal(l)
	if err == nil {
		_, err = r.out.Write(append(text, '\n'))
	}
	if err == nil && flush {
		err = r.out.Flush()
	}
	if r.failed == nil {
		r.failed = err
	}
}

// Attach adds a document to the build.
func (r *Recorder) Attach(data []byte, kind, platform string) error {
	a := Attachment{Digest: digest.FromBytes(data), Size: int64(len(data)), Type: kind, Platform: platform}
	name := filepath.Join(r.store.Dir, r.record.ID, a.Digest.Encoded())
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "history of builds: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.Attachments = append(r.record.Attachments, a)
	return nil
}

// End writes how the build ended, as change says it in the record, and removes builds
// beyond the limits.
func (r *Recorder) End(change func(*Record)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.ended = true
	r.record.Ended = r.store.Now().UTC()
	change(&r.record)
	if r.record.Status == Completed {
		// Steps that nothing asked for are none.
		r.record.Steps = r.record.Done
	}
	return errors.Join(r.failed, r.out.Flush(), r.file.Close(), r.store.write(r.record), r.store.trim(r.record.ID))
}
