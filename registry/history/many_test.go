package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/history"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/store"
)

type allowAll struct{}

func (allowAll) May(context.Context, distribution.Action, string) bool { return true }

// held is a registry whose tags go one by one, as a test says.
type held struct {
	distribution.Registry
	gone atomic.Int64
	next chan struct{} // a value lets one go; closed, all
}

func (h *held) DeleteTag(ctx context.Context, repo, tag string) error {
	select {
	case <-h.next:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := h.Registry.DeleteTag(ctx, repo, tag)
	if err == nil {
		h.gone.Add(1)
	}
	return err
}

// past is a repository with tags, and what works over many of them.
type past struct {
	*testing.T
	db   *metadata.DB
	held *held
	*history.History
	jobs *jobs.Jobs
	ada  auth.Caller // who may delete, until she may not
}

const many = 30

func newPast(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) *past {
	t.Helper()
	p, bytes := &past{T: t, db: open(t, time.Now)}, memstore.New(time.Now)
	r, err := store.New(t.Context(), store.Config{Store: bytes, DB: p.db, Rights: allowAll{}}, true)
	if err != nil {
		t.Fatal(err)
	}
	p.held = &held{Registry: r, next: make(chan struct{}, many)}
	p.jobs = jobs.NewJobs(p.db, auth.Judge{})
	p.History = history.New(p.db, auth.Judge{}, &history.Bin{
		Registry: p.held, DB: p.db, Bytes: bytes, Grace: func() time.Duration { return time.Hour },
	})
	err = p.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.AddUser(ctx, "ada", "", false); err != nil {
			return err
		}
		u, err := tx.UserForUpdate(ctx, "ada")
		if err != nil {
			return err
		}
		p.ada = auth.Caller{UserID: u.ID, Name: "ada"}
		_, err = tx.EnsureRepository(ctx, "team/app", metadata.Creator{UserID: u.ID, Name: "ada", Role: rights.Maintainer})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	config := []byte("{}")
	up, err := r.StartUpload(t.Context(), "team/app")
	if err != nil {
		t.Fatal(err)
	}
	m := distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, config),
		Layers: []ocispec.Descriptor{},
	})
	if _, err = up.Write(config); err == nil {
		_, err = up.Commit(t.Context(), distributiontest.Blob(ocispec.MediaTypeImageConfig, config).Digest)
	}
	for i := range many {
		if err == nil {
			_, err = r.PutManifest(t.Context(), "team/app", m, fmt.Sprintf("v%02d", i))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run starts a server's runner until stop.
func (p *past) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs.NewRunner(p.db, slog.New(slog.DiscardHandler), p.Kinds()...).Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	p.Cleanup(stop)
	return stop
}

// wait waits until a job has ended.
func (p *past) wait(id int64) (j jobs.Job) {
	p.Helper()
	p.until("the end of the job", func() bool {
		var err error
		if j, err = p.jobs.Get(p.Context(), auth.Operator(), id); err != nil {
			p.Fatal(err)
		}
		return !j.EndedAt.IsZero()
	})
	return j
}

func (p *past) until(what string, is func() bool) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s does not come", what)
		}
	}
}

// begin has n tags deleted, and the next one wait.
func (p *past) begin(n int) (job int64) {
	p.Helper()
	job, err := p.Untag(p.Context(), p.ada, history.Many{Repository: "team/app"})
	if err != nil {
		p.Fatal(err)
	}
	for range n {
		p.held.next <- struct{}{}
	}
	p.until("what is let go", func() bool { return p.held.gone.Load() == int64(n) })
	return job
}

// TestWorkOverManyTags is what of it takes a server's runner: who may go on, and who goes on.
func TestWorkOverManyTags(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		t.Run("rights end", func(t *testing.T) {
			t.Parallel()
			testRightsEndWithinAJob(newPast(t, open))
		})
		t.Run("servers end", func(t *testing.T) {
			t.Parallel()
			testServersEndWithinAJob(newPast(t, open))
		})
	})
}

// testRightsEndWithinAJob takes the right away while tags are deleted: no more of them go.
func testRightsEndWithinAJob(p *past) {
	p.run()
	job := p.begin(3)
	err := p.db.Update(p.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		project, err := tx.Project(ctx, "team")
		if err == nil {
			err = tx.SetRole(ctx, project.ID, p.ada.UserID, rights.Guest)
		}
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	time.Sleep(time.Second) // for as long a right that is taken away may hold
	close(p.held.next)
	j := p.wait(job)
	if j.State != jobs.Failed || !strings.Contains(j.Error, "no right to it any more") || !strings.HasPrefix(j.Note, "4 tags are deleted") {
		p.Errorf("%+v", j)
	}
	if n := p.held.gone.Load(); n != 4 { // that which was under way, too
		p.Errorf("%d tags are gone", n)
	}
}

// testServersEndWithinAJob stops a server while tags are deleted, and then while they come
// back: the next one goes on, and what the job tells is all of it.
func testServersEndWithinAJob(p *past) {
	stop := p.run()
	job := p.begin(7)
	stop()
	p.run()
	close(p.held.next)
	if j := p.wait(job); j.State != jobs.Done || j.Note != fmt.Sprintf("%d tags are deleted, 0 stay, as immutable", many) {
		p.Errorf("%+v", j)
	}
	back, err := p.Retag(p.Context(), p.ada, "team/app", job)
	if err != nil {
		p.Fatal(err)
	}
	if j := p.wait(back); j.State != jobs.Done || j.Note != fmt.Sprintf("%d tags are back, 0 lost to a collection", many) {
		p.Errorf("%+v", j)
	}
}
