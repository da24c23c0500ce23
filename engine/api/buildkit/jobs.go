package buildkit

import (
	"context"
	"sync"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/progress"
	"cove/engine/builds"
	"cove/errdefs"
)

const (
	// arrival is how long a call waits for the Solve that it belongs to: a client
	// sends both at once.
	arrival = 5 * time.Second
	// afterlife is how long the progress of a build that ended can still be read.
	afterlife = 10 * time.Second
	// maxJobs bounds the builds that are known at once.
	maxJobs = 1000
)

// job is one call of Solve, by the reference that the client gave it.
type job struct {
	ref     string
	session string
	status  *progress.Log
	// returned gets what the client's side of the gateway decided, once.
	returned chan *gateway.ReturnRequest
	cancel   context.CancelFunc

	mu      sync.Mutex
	results map[string]*solved // what was solved for the gateway, by result
	// uses are this job, until it ends, and those that build on a result of it; folders
	// have what the client sent, until there are none, and kept what stays for its next
	// build. held are the jobs that this one uses.
	uses    int
	folders []string
	kept    []*builds.Kept
	held    []*job
}

// solved is a request that a client may ask for the result of.
type solved struct {
	job     *job
	request *frontend.Request
	// on are the results that are inputs of this one, by their names.
	on map[string]*solved

	mu  sync.Mutex // is held while the client sends the files, and while request changes
	got bool       // the files are here
}

// add keeps a request, and returns the name of its result.
func (j *job) add(v *solved) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	id := newID()
	j.results[id] = v
	return id
}

func (j *job) result(id string) (*solved, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if v, ok := j.results[id]; ok {
		return v, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "build %s has no result %q", j.ref, id)
}

// jobs are those that run, and those that have just ended.
type jobs struct {
	mu      sync.Mutex
	byRef   map[string]*job
	changed chan struct{} // is closed at the next begin
}

// begin adds a job.
func (js *jobs) begin(ref, session string, cancel context.CancelFunc) (*job, error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.byRef == nil {
		js.byRef = map[string]*job{}
	}
	switch _, twice := js.byRef[ref]; {
	case ref == "":
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a build needs a reference")
	case twice:
		return nil, errdefs.Errorf(errdefs.ErrExists, "build %s exists already", ref)
	case len(js.byRef) >= maxJobs:
		return nil, errdefs.Errorf(errdefs.ErrExhausted, "%d builds run already, which is the limit", maxJobs)
	}
	j := &job{
		ref: ref, session: session, cancel: cancel, status: progress.New(),
		returned: make(chan *gateway.ReturnRequest, 1), results: map[string]*solved{}, uses: 1,
	}
	js.byRef[ref] = j
	if js.changed != nil {
		close(js.changed)
		js.changed = nil
	}
	return j, nil
}

// end ends the progress of a job, which can be read for a while yet, and lets go of the
// jobs whose results it was built on.
func (js *jobs) end(j *job) {
	j.mu.Lock()
	held := j.held
	j.held = nil
	j.mu.Unlock()
	for _, other := range append(held, j) {
		other.release()
	}
	j.status.Close()
	time.AfterFunc(afterlife, func() {
		js.mu.Lock()
		defer js.mu.Unlock()
		delete(js.byRef, j.ref)
	})
}

// get waits for a job to begin.
func (js *jobs) get(ctx context.Context, ref string) (*job, error) {
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	for {
		js.mu.Lock()
		if js.changed == nil {
			js.changed = make(chan struct{})
		}
		j, ok := js.byRef[ref]
		changed := js.changed
		js.mu.Unlock()
		if ok {
			return j, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such build: %s", ref)
		}
	}
}
