package replication_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/server"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/replication"
	"cove/registry/replication/endpoint"
	"cove/registry/seal"
	"cove/registry/selector"
	"cove/registry/store"
)

type open = func(testing.TB, func() time.Time) *metadata.DB

// site is a registry: its database, what it stores, and where it listens.
type site struct {
	*testing.T
	db   *metadata.DB
	reg  *store.Registry
	ctx  context.Context // who asks it in the test
	host string

	received atomic.Int64 // bytes of uploads
	mu       sync.Mutex
	before   func(w http.ResponseWriter, r *http.Request) bool // answers instead, if it says so
}

type allow struct{}

func (allow) May(context.Context, distribution.Action, string) bool { return true }

func (allow) Authorize(r *http.Request, _ ...distribution.Access) (context.Context, error) {
	return auth.WithCaller(r.Context(), auth.Operator()), nil
}

func (allow) Challenge(*http.Request, ...distribution.Access) string { return "" }

func newSite(t *testing.T, open open) *site {
	t.Helper()
	s := &site{T: t, db: open(t, time.Now), ctx: auth.WithCaller(t.Context(), auth.Operator())}
	var err error
	s.reg, err = store.New(t.Context(), store.Config{
		Store: memstore.New(time.Now), DB: s.db, Rights: allow{}, Tell: replication.Stored,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := server.New(server.Config{Registry: s.reg, Authorizer: allow{}, OnDamaged: s.reg.Damaged})
	if err != nil {
		t.Fatal(err)
	}
	s.host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		before := s.before
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		if strings.Contains(r.URL.Path, "/blobs/uploads/") {
			r.Body = &countedBody{r.Body, &s.received}
		}
		inner.ServeHTTP(w, r)
	}))
	return s
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// answer has f answer requests that it wants to.
func (s *site) answer(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// push stores an image, and has tags name it.
func (s *site) push(repo string, img distributiontest.Image, tags ...string) {
	s.Helper()
	for _, b := range img.Blobs {
		s.blob(repo, b)
	}
	s.put(repo, img.Manifest, tags...)
}

func (s *site) blob(repo string, b []byte) {
	s.Helper()
	up, err := s.reg.StartUpload(s.ctx, repo)
	if err == nil {
		if _, err = up.Write(b); err == nil {
			_, err = up.Commit(s.ctx, digest.FromBytes(b))
		}
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) put(repo string, m distribution.Manifest, tags ...string) {
	s.Helper()
	if _, err := s.reg.PutManifest(s.ctx, repo, m, tags...); err != nil {
		s.Fatal(err)
	}
}

// attach stores an artifact that refers to a subject.
func (s *site) attach(repo string, subject ocispec.Descriptor, kind string) distribution.Manifest {
	s.Helper()
	s.blob(repo, []byte("{}"))
	empty := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	m := distributiontest.NewManifest(s, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind,
		Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &subject,
	})
	s.put(repo, m)
	return m
}

// names says what a tag names; "" is nothing.
func (s *site) names(repo, tag string) digest.Digest {
	desc, err := s.reg.StatTag(s.ctx, repo, tag)
	if err != nil {
		return ""
	}
	return desc.Digest
}

// replicator is the service of a site, and what does its jobs.
type replicator struct {
	*site
	*replication.Service
	endpoints *endpoint.Service
	jobs      *jobs.Jobs
}

func newReplicator(s *site) *replicator {
	s.Helper()
	root, err := os.OpenRoot(s.TempDir())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = root.Close() }) // nothing was written to it but by a synced write
	if err := root.Mkdir("keys", 0o700); err != nil {
		s.Fatal(err)
	}
	r := &replicator{site: s, endpoints: endpoint.New(s.db, auth.Judge{}, seal.In(root), outbound.Policy{}), jobs: jobs.NewJobs(s.db, auth.Judge{})}
	r.Service = replication.New(replication.Config{
		DB: s.db, Judge: auth.Judge{}, Endpoints: r.endpoints, Registry: s.reg,
		Client: client.Config{CertsDirs: []string{}, RetryFor: time.Second},
		Pause:  func(int) time.Duration { return 10 * time.Millisecond },
	})
	return r
}

// serve does the jobs until stop.
func (r *replicator) serve() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs.NewRunner(r.db, slog.New(slog.DiscardHandler), r.Kind()).Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	r.Cleanup(stop)
	return stop
}

// endpoint adds one.
func (r *replicator) endpoint(name, host string) {
	r.Helper()
	if _, err := r.endpoints.Create(r.Context(), auth.Operator(), endpoint.Spec{Name: name, Address: host}); err != nil {
		r.Fatal(err)
	}
}

// rule adds one that pushes to the endpoint "far", as change has it.
func (r *replicator) rule(name string, change func(*replication.Rule)) {
	r.Helper()
	rule := replication.Rule{Name: name, Endpoint: "far", Enabled: true, Options: replication.Options{
		Direction: replication.Push, Override: true, Filter: selector.Selector{Repositories: "team/**"},
	}}
	if change != nil {
		change(&rule)
	}
	if _, err := r.Create(r.Context(), auth.Operator(), rule); err != nil {
		r.Fatal(err)
	}
}

// run begins a run and waits for its end.
func (r *replicator) run(name string) replication.Run {
	r.Helper()
	id, err := r.Start(r.Context(), auth.Operator(), name)
	if err != nil {
		r.Fatal(err)
	}
	return r.ended(id)
}

func (r *replicator) ended(id int64) replication.Run {
	r.Helper()
	return r.until(id, func(run replication.Run) bool { return !run.Job.EndedAt.IsZero() })
}

func (r *replicator) until(id int64, so func(replication.Run) bool) replication.Run {
	r.Helper()
	var run replication.Run
	for range 1200 {
		var err error
		if run, err = r.Run(r.Context(), auth.Operator(), id); err != nil {
			r.Fatal(err)
		}
		if so(run) {
			return run
		}
		time.Sleep(25 * time.Millisecond)
	}
	r.Fatalf("run %d is still %s: %+v", id, run.Job.State, run)
	return run
}

// last waits for the newest run of a rule to have ended, once there are n.
func (r *replicator) last(name string, n int) replication.Run {
	r.Helper()
	for range 1200 {
		all, _, err := r.Runs(r.Context(), auth.Operator(), name, 0, 100)
		if err != nil {
			r.Fatal(err)
		}
		if len(all) >= n && !all[0].Job.EndedAt.IsZero() {
			return all[0]
		}
		time.Sleep(25 * time.Millisecond)
	}
	r.Fatalf("rule %s has not %d runs that ended", name, n)
	return replication.Run{}
}

// items are the tags of a run, as "repository:tag state".
func (r *replicator) items(run int64) (all []string) {
	r.Helper()
	page, _, err := r.Items(r.Context(), auth.Operator(), replication.ItemQuery{Run: run, N: 1000})
	if err != nil {
		r.Fatal(err)
	}
	for _, i := range page {
		all = append(all, i.Repository+":"+i.Tag+" "+string(i.State))
	}
	return all
}
