package runner_test

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"cove/events"
	"cove/runner"
)

// lockedBuffer is a buffer that is written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// told checks which actions of a container the log of events has.
func (f *fixture) told(c *runner.Container, want ...string) {
	f.t.Helper()
	r, err := events.Of(f.root).Read(events.Options{Until: time.Now()})
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for {
		e, err := r.Next(f.t.Context())
		if err != nil {
			break // the end
		}
		if e.Type == events.Container && e.ID == c.ID() {
			got = append(got, e.Action)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("%s: events are told of %v, want %v", c, got, want)
	}
}
