package retention_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/retention"
	"cove/registry/selector"
	"cove/registry/store"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

type allowAll struct{}

func (allowAll) May(context.Context, distribution.Action, string) bool { return true }

func (allowAll) Authorize(r *http.Request, _ ...distribution.Access) (context.Context, error) {
	return r.Context(), nil
}

// site is a registry with a project that retention is tried on.
type site struct {
	t        *testing.T
	db       *metadata.DB
	registry *store.Registry
	bytes    *memstore.Store
	*retention.Retention
}

func newSite(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) *site {
	t.Helper()
	s := &site{t: t, db: open(t, time.Now), bytes: memstore.New(time.Now)}
	var err error
	s.registry, err = store.New(t.Context(), store.Config{
		Store: s.bytes, DB: s.db, Rights: allowAll{}, KeepTag: immutable.Guard,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	s.Retention = retention.New(s.db, auth.Judge{}, s.registry)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// push pushes an image of a layer of its own and one that all have.
func (s *site) push(repo, text string, subject *ocispec.Descriptor, tags ...string) ocispec.Descriptor {
	s.t.Helper()
	layers := [][]byte{[]byte("shared by all"), []byte(text)}
	doc := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, layers[0]), Subject: subject,
	}
	for _, b := range layers {
		doc.Layers = append(doc.Layers, distributiontest.Blob(ocispec.MediaTypeImageLayer, b))
		up, err := s.registry.StartUpload(s.t.Context(), repo)
		s.must(err)
		_, err = up.Write(b)
		s.must(err)
		_, err = up.Commit(s.t.Context(), digest.FromBytes(b))
		s.must(err)
	}
	m := distributiontest.NewManifest(s.t, doc)
	_, err := s.registry.PutManifest(s.t.Context(), repo, m, tags...)
	s.must(err)
	return m.Descriptor
}

func (s *site) index(repo, tag string, of ...ocispec.Descriptor) ocispec.Descriptor {
	s.t.Helper()
	m := distributiontest.NewManifest(s.t, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: of,
	})
	_, err := s.registry.PutManifest(s.t.Context(), repo, m, tag)
	s.must(err)
	return m.Descriptor
}

func (s *site) tags(repo string) string {
	s.t.Helper()
	all, _, err := s.registry.Tags(s.t.Context(), repo, distribution.Page{})
	s.must(err)
	return strings.Join(all, " ")
}

func (s *site) run() string {
	s.t.Helper()
	note, err := s.Kind().Run(s.t.Context(), &jobs.Work{Job: jobs.Job{Subject: "team"}})
	s.must(err)
	return note
}

// TestARunDoesWhatADryRunTells makes a plan, carries it out, and has all back.
func TestARunDoesWhatADryRunTells(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, by := newSite(t, open), auth.Operator()
		old := s.push("team/app", "one", nil, "v1", "stable")
		s.push("team/app", "signature", &old)
		s.push("team/app", "cosign", nil, "sha256-"+old.Digest.Encoded()+".sig")
		amd := s.push("team/app", "amd", nil)
		arm := s.push("team/app", "arm", nil, "arm")
		list := s.index("team/app", "v2", amd, arm)
		s.push("team/app", "fixed", nil, "golden")
		s.push("team/app", "three", nil, "v3")
		s.push("team/other", "other", nil, "v1")
		rules := immutable.New(s.db, auth.Judge{})
		_, err := rules.Add(t.Context(), by, "team", selector.Selector{Tags: "golden"})
		s.must(err)

		before, err := s.Preview(t.Context(), by, "team")
		if err != nil || len(before.Gone) != 0 {
			t.Errorf("without rules goes %+v %v", before, err)
		}
		if note := s.run(); !strings.HasPrefix(note, "deleted 0 artifacts and 0") {
			t.Errorf("a run without rules: %s", note)
		}
		k, err := s.Add(t.Context(), by, "team", retention.Rule{
			Template: retention.LatestPushed, N: 1, Selector: selector.Selector{Repositories: "app"},
		})
		s.must(err)
		p, err := s.Preview(t.Context(), by, "team")
		s.must(err)
		// v1 with two signatures, arm, and v2 with what only it lists; v3 and golden stay.
		if len(p.Gone) != 3 || len(p.With) != 3 || p.Kept != 2 || p.Alone == 0 || p.Alone >= p.Held || p.Counted != p.Alone {
			t.Errorf("the plan: %d go with %d, %d kept, %+v", len(p.Gone), len(p.With), p.Kept, p.Share)
		}
		if got := s.tags("team/app"); !strings.Contains(got, "v1 v2 v3") {
			t.Errorf("a dry run leaves %s", got)
		}
		hooks := webhook.New(webhook.Config{DB: s.db})
		hook, err := hooks.Create(t.Context(), by, "team", webhook.Spec{
			Name: new("n"), URL: new("https://a.example.com/"), Events: &[]payload.Type{payload.TagRetention},
		})
		s.must(err)
		note := s.run()
		heard, _, err := hooks.Deliveries(t.Context(), by, "team", hook.ID, jobs.Query{N: 10})
		if err != nil || len(heard) != 1 || !strings.Contains(string(heard[0].Args), `"total":5,"retained":2`) ||
			!strings.Contains(string(heard[0].Args), `"name_tag":"app:v1"`) {
			t.Errorf("webhooks heard %+v, %v", heard, err)
		}
		if want := fmt.Sprintf("deleted 3 artifacts and 3 manifests that went with them, kept 2; %d bytes stop counting", p.Counted); note != want {
			t.Errorf("the run: %s\nwant     %s", note, want)
		}
		if got := s.tags("team/app") + " / " + s.tags("team/other"); got != "golden v3 / v1" {
			t.Errorf("left are %s", got)
		}
		again, err := s.Preview(t.Context(), by, "team")
		if err != nil || len(again.Gone) != 0 || again.Held != 0 {
			t.Errorf("after the run goes %+v %v", again, err)
		}
		bin := &history.Bin{Registry: s.registry, DB: s.db, Bytes: s.bytes, Grace: func() time.Duration { return time.Hour }}
		back, err := history.New(s.db, auth.Judge{}, bin).Restore(t.Context(), by, history.Request{Repository: "team/app"})
		s.must(err)
		if got := s.tags("team/app"); !strings.Contains(back, "6 artifacts") || !strings.Contains(got, "arm golden sha256-") ||
			!strings.Contains(got, "stable v1 v2 v3") {
			t.Errorf("%s: back are %s", back, got)
		}
		if _, err := s.registry.GetManifest(t.Context(), "team/app", list.Digest); err != nil {
			t.Error(err)
		}
		s.must(s.Remove(t.Context(), by, "team", k.ID))
		if err := s.Remove(t.Context(), by, "team", k.ID); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("a rule that is gone: %v", err)
		}
	})
}

// TestPolicies keeps rules and a schedule, within bounds, for who may.
func TestPolicies(t *testing.T) {
	t.Parallel()
	s, by, ctx := newSite(t, metadatatest.OpenSQLite), auth.Operator(), t.Context()
	s.push("team/app", "one", nil, "v1")
	rule := retention.Rule{Template: retention.DaysPushed, N: 30, Selector: selector.Selector{Tags: "dev-*"}, Untagged: true}
	for range retention.MaxRules {
		_, err := s.Add(ctx, by, "team", rule)
		s.must(err)
	}
	_, full := s.Add(ctx, by, "team", rule)
	_, absent := s.Add(ctx, by, "absent", rule)
	_, odd := s.Add(ctx, by, "team", retention.Rule{})
	_, denied := s.Add(ctx, auth.Caller{Name: "ada", UserID: 7}, "team", rule)
	_, noRun := s.Run(ctx, auth.Caller{Name: "ada", UserID: 7}, "team")
	_, noProject := s.Preview(ctx, by, "absent")
	for what, e := range map[string][2]error{
		"a rule too many":     {full, errdefs.ErrConflict},
		"of no project":       {absent, errdefs.ErrNotFound},
		"no rule":             {odd, errdefs.ErrInvalid},
		"by a stranger":       {denied, errdefs.ErrDenied},
		"a stranger's run":    {noRun, errdefs.ErrDenied},
		"a plan of nothing":   {noProject, errdefs.ErrNotFound},
		"a schedule of words": {s.Schedule(ctx, by, "team", "sometimes", ""), errdefs.ErrInvalid},
		"a zone of nowhere":   {s.Schedule(ctx, by, "team", "@daily", "Mars/North"), errdefs.ErrInvalid},
	} {
		if !errors.Is(e[0], e[1]) {
			t.Errorf("%s: %v", what, e[0])
		}
	}
	s.must(s.Schedule(ctx, by, "team", "30 3 * * 0", "Europe/Berlin"))
	p, err := s.Of(ctx, by, "team")
	if err != nil || len(p.Rules) != retention.MaxRules || p.Rules[0].String() != rule.String() || p.Schedule.Cron != "30 3 * * 0" ||
		p.Schedule.Zone != "Europe/Berlin" {
		t.Errorf("kept %+v %v", p, err)
	}
	first, err := s.Run(ctx, by, "team")
	s.must(err)
	if second, err := s.Run(ctx, by, "team"); err != nil || second != first {
		t.Errorf("two runs at once: %d %d %v", first, second, err)
	}
	s.must(s.Schedule(ctx, by, "team", "", ""))
	if p, err := s.Of(ctx, by, "team"); err != nil || p.Schedule.Cron != "" {
		t.Errorf("without a schedule: %+v %v", p.Schedule, err)
	}
	readOnly := retention.New(s.db, auth.Judge{}, nil)
	if _, err := readOnly.Kind().Run(ctx, &jobs.Work{Job: jobs.Job{Subject: "team"}}); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("read-only: %v", err)
	}
}

// TestReplace puts all rules of a project in the place of others, in one step, and a dry run
// in the place of a run.
func TestReplace(t *testing.T) {
	t.Parallel()
	s, by, ctx := newSite(t, metadatatest.OpenSQLite), auth.Operator(), t.Context()
	s.push("team/app", "one", nil, "v1")
	s.push("team/app", "two", nil, "v2")
	rule := func(n int) retention.Rule { return retention.Rule{Template: retention.LatestPushed, N: n} }
	s.must(s.Replace(ctx, by, "team", []retention.Rule{rule(1), rule(2)}, "30 3 * * *"))
	s.must(s.Schedule(ctx, by, "team", "30 3 * * *", "Europe/Berlin"))
	before, err := s.Of(ctx, by, "team")
	s.must(err)
	s.must(s.Replace(ctx, by, "team", []retention.Rule{rule(1), rule(3)}, "0 4 * * *"))
	after, err := s.Of(ctx, by, "team")
	if err != nil || len(after.Rules) != 2 || after.Rules[0].ID != before.Rules[0].ID || after.Rules[1].String() != rule(3).String() ||
		after.Schedule.Cron != "0 4 * * *" || after.Schedule.Zone != "Europe/Berlin" {
		t.Errorf("kept %+v %v", after, err)
	}
	for what, e := range map[string][2]error{
		"a rule that is none": {s.Replace(ctx, by, "team", []retention.Rule{{}}, ""), errdefs.ErrInvalid},
		"too many":            {s.Replace(ctx, by, "team", make([]retention.Rule, 16), ""), errdefs.ErrInvalid},
		"a schedule of words": {s.Replace(ctx, by, "team", nil, "sometimes"), errdefs.ErrInvalid},
		"by a stranger":       {s.Replace(ctx, auth.Caller{Name: "ada", UserID: 7}, "team", nil, ""), errdefs.ErrDenied},
		"of no project":       {s.Replace(ctx, by, "absent", nil, ""), errdefs.ErrNotFound},
	} {
		if !errors.Is(e[0], e[1]) {
			t.Errorf("%s: %v", what, e[0])
		}
	}
	if same, err := s.Of(ctx, by, "team"); err != nil || len(same.Rules) != 2 || same.Schedule.Cron != "0 4 * * *" {
		t.Errorf("what was refused changed %+v %v", same, err)
	}
	s.must(s.Replace(ctx, by, "team", []retention.Rule{rule(1)}, ""))
	dry, err := s.Rehearse(ctx, by, "team")
	s.must(err)
	if _, err := s.Run(ctx, by, "team"); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a run beside a dry run: %v", err)
	}
	page, _, err := s.Runs(ctx, by, "team", 0, 10)
	if err != nil || len(page) != 1 || page[0].ID != dry || !retention.DryRun(page[0]) || retention.Scheduled(page[0]) {
		t.Fatalf("runs %+v %v", page, err)
	}
	note, err := s.Kind().Run(ctx, &jobs.Work{Job: page[0]})
	s.must(err)
	o, ok := retention.OutcomeOf(note)
	if want := (retention.Outcome{DryRun: true, Artifacts: 1, Kept: 1, Bytes: o.Bytes}); !ok || o != want || s.tags("team/app") != "v1 v2" {
		t.Errorf("a dry run says %q, and leaves %q", note, s.tags("team/app"))
	}
	s.must(s.Stop(ctx, by, "team", dry))
	if err := s.Stop(ctx, by, "team", dry); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("stopped twice: %v", err)
	}
	if o, ok := retention.OutcomeOf(s.run()); !ok || o.DryRun || o.Artifacts != 1 || s.tags("team/app") != "v2" {
		t.Errorf("a run says %+v", o)
	}
	stay := retention.Outcome{Artifacts: 3, Parts: 2, Kept: 1, Bytes: 7, Stay: 4}
	if o, ok := retention.OutcomeOf(stay.String()); !ok || o != stay {
		t.Errorf("%q is %+v", stay, o)
	}
}

var many = flag.Int("many", 2_000, "tags of the repository that a plan is timed on")

// TestManyTags plans for a repository of many tags, and tells how long that takes.
func TestManyTags(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s := newSite(t, open)
		const perWrite = 1000
		for first := 0; first < *many; first += perWrite {
			err := s.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				id, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{})
				for i := first; i < min(first+perWrite, *many) && err == nil; i++ {
					layer := ocispec.Descriptor{Digest: digest.FromString(fmt.Sprint("layer", i/10)), Size: 1000}
					m := metadata.Manifest{Blobs: []ocispec.Descriptor{layer}}
					m.Descriptor.Digest, m.Descriptor.Size = digest.FromString(fmt.Sprint("m", i)), 500
					for _, step := range []func() error{
						func() error { return tx.AddBytes(ctx, layer.Digest, layer.Size) },
						func() error { return tx.AddBlob(ctx, id, layer.Digest, tx.Now()) },
						func() error { return tx.AddBytes(ctx, m.Descriptor.Digest, 500) },
						func() error { return tx.AddManifest(ctx, id, m, "") },
						func() error { return tx.SetTag(ctx, id, fmt.Sprintf("build-%06d", i), m.Descriptor.Digest, "") },
					} {
						if err = step(); err != nil {
							break
						}
					}
				}
				return err
			})
			s.must(err)
		}
		keep := *many / 10
		_, err := s.Add(t.Context(), auth.Operator(), "team", retention.Rule{Template: retention.LatestPushed, N: keep})
		s.must(err)
		start := time.Now()
		p, err := s.Preview(t.Context(), auth.Operator(), "team")
		took := time.Since(start)
		s.must(err)
		t.Logf("%d tags: planned in %v", *many, took)
		if len(p.Gone) != *many-keep || p.Kept != keep || p.Counted == 0 {
			t.Errorf("%d go, %d kept, %+v", len(p.Gone), p.Kept, p.Share)
		}
		if limit := 5*time.Second + time.Duration(*many)*200*time.Microsecond; took > limit {
			t.Errorf("it took %v, more than %v", took, limit)
		}
	})
}
