package replication_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/replication"
	"cove/registry/replication/endpoint"
	"cove/registry/selector"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// TestReplication runs each test below between two registries, over each engine of
// databases.
func TestReplication(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open open) {
		for _, test := range []func(near *replicator, far *site){
			testPushBringsAllOfIt,
			testPullBringsAllOfIt,
			testFilters,
			testLabelsOfPeople,
			testOverrideAndKeep,
			testDeletion,
			testEvents,
			testFailuresEndNothingElse,
			testStopAndGoOn,
			testKilledRunGoesOn,
			testOneRunAtATime,
			testBandwidth,
			testSchedules,
			testEndpointThatIsAway,
			testDamageAtTheSource,
			testNeverSentToWhereSecretsAre,
			testOnlyWhoManagesRegistries,
		} {
			full := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
			t.Run(full[strings.LastIndex(full, ".")+1:], func(t *testing.T) {
				t.Parallel()
				near, far := newReplicator(newSite(t, open)), newSite(t, metadatatest.OpenSQLite)
				near.endpoint("far", far.host)
				test(near, far)
			})
		}
	})
}

// signed is an index of two images with a signature of each form and an SBOM of one
// child.
func signed(s *site, repo, tag string) (index distribution.Manifest, referrers []digest.Digest, cosign string) {
	s.Helper()
	a, b := distributiontest.NewImage(s, 1, 3000, 40_000), distributiontest.NewImage(s, 2, 2000)
	s.push(repo, a)
	s.push(repo, b)
	index = distributiontest.Index(s, a.Manifest.Descriptor, b.Manifest.Descriptor)
	s.put(repo, index, tag)
	cosign = strings.Replace(index.Descriptor.Digest.String(), ":", "-", 1) + ".sig"
	s.push(repo, distributiontest.NewImage(s, 3, 100), cosign)
	for _, m := range []distribution.Manifest{
		s.attach(repo, index.Descriptor, "application/signature"), s.attach(repo, a.Manifest.Descriptor, "application/sbom"),
	} {
		referrers = append(referrers, m.Descriptor.Digest)
	}
	return index, referrers, cosign
}

// has asks for all of what signed has made.
func (s *site) has(repo, tag string, index distribution.Manifest, referrers []digest.Digest, cosign string) {
	s.Helper()
	if s.names(repo, tag) != index.Descriptor.Digest {
		s.Errorf("%s:%s names %q", repo, tag, s.names(repo, tag))
	}
	if s.names(repo, cosign) == "" {
		s.Errorf("%s has no signature %s", repo, cosign)
	}
	for _, dgst := range referrers {
		if _, err := s.reg.GetManifest(s.ctx, repo, dgst); err != nil {
			s.Errorf("what refers to it: %v", err)
		}
	}
}

func testPushBringsAllOfIt(near *replicator, far *site) {
	index, referrers, cosign := signed(near.site, "team/app", "v1")
	near.push("team/tools/helper", distributiontest.NewImage(near, 9, 500), "v2", "latest")
	near.push("other/app", distributiontest.NewImage(near, 10, 500), "v1")
	near.rule("all", nil)
	hooks := webhook.New(webhook.Config{DB: near.db})
	hook, err := hooks.Create(near.ctx, auth.Operator(), "team", webhook.Spec{
		Name: new("n"), URL: new("https://a.example.com/"), Events: &[]payload.Type{payload.Replicated},
	})
	if err != nil {
		near.Fatal(err)
	}
	near.serve()
	run := near.run("all")
	heard, _, err := hooks.Deliveries(near.ctx, auth.Operator(), "team", hook.ID, jobs.Query{N: 10})
	if err != nil || len(heard) != 1 || !strings.Contains(string(heard[0].Args), `"name_tag":"tools/helper:latest"`) ||
		!strings.Contains(string(heard[0].Args), `"registry_name":"far"`) {
		near.Errorf("webhooks heard %+v, %v", heard, err)
	}
	if run.Job.State != jobs.Done || run.Counts[replication.Copied] != 3 || run.Total() != 3 || run.Bytes == 0 || !run.Planned {
		near.Errorf("%+v", run)
	}
	far.has("team/app", "v1", index, referrers, cosign)
	if far.names("team/tools/helper", "latest") == "" || far.names("other/app", "v1") != "" {
		near.Error("the wrong repositories were copied")
	}
	sent := far.received.Load()
	if sent < run.Bytes {
		near.Errorf("%d bytes are said to be sent, %d came", run.Bytes, sent)
	}
	again := near.run("all")
	if again.Counts[replication.Unchanged] != 3 || again.Bytes != 0 || far.received.Load() != sent {
		near.Errorf("again: %+v, %d bytes came", again, far.received.Load()-sent)
	}
	late := near.attach("team/app", index.Descriptor, "application/attestation")
	if third := near.run("all"); third.Counts[replication.Copied] != 1 {
		near.Errorf("with a new referrer: %+v", third)
	}
	far.has("team/app", "v1", index, append(referrers, late.Descriptor.Digest), cosign)
	if got := near.items(run.ID); !slices.Equal(got, []string{
		"team/app:v1 copied", "team/tools/helper:latest copied", "team/tools/helper:v2 copied",
	}) {
		near.Errorf("%q", got)
	}
}

func testPullBringsAllOfIt(near *replicator, far *site) {
	index, referrers, cosign := signed(far, "team/app/web", "v1")
	far.push("single", distributiontest.NewImage(near, 11, 500), "v1")
	near.rule("mirror", func(r *replication.Rule) {
		r.Direction, r.Filter.Repositories, r.Namespace, r.Flatten = replication.Pull, "**", "mirror/far", 1
	})
	near.rule("one", func(r *replication.Rule) { r.Direction, r.Filter.Repositories = replication.Pull, "library/single" })
	near.serve()
	if run := near.run("mirror"); run.Job.State != jobs.Done || run.Counts[replication.Copied] != 2 {
		near.Errorf("%+v %q", run, near.items(run.ID))
	}
	near.has("mirror/far/app/web", "v1", index, referrers, cosign)
	if near.names("mirror/far/single", "v1") == "" {
		near.Error("library/single is not in mirror/far")
	}
	if run := near.run("one"); run.Counts[replication.Copied] != 1 || near.names("library/single", "v1") == "" {
		near.Errorf("%+v", run)
	}
}

// labelledImage has a label in its config and an annotation.
func labelledImage(s *site, seed uint64, label, annotation string) distributiontest.Image {
	img := distributiontest.NewImage(s, seed, 300)
	config := []byte(`{"architecture":"amd64","os":"linux","config":{"Labels":{"tier":"` + label + `"}},"rootfs":{"type":"layers","diff_ids":[]}}`)
	delete(img.Blobs, img.Config.Digest)
	img.Config = distributiontest.Blob(ocispec.MediaTypeImageConfig, config)
	img.Blobs[img.Config.Digest] = config
	img.Manifest = distributiontest.NewManifest(s, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: img.Config, Layers: img.Layers, Annotations: map[string]string{"org.example/stage": annotation},
	})
	return img
}

func testFilters(near *replicator, far *site) {
	near.push("team/a", labelledImage(near.site, 1, "front", "prod"), "v1", "v1-rc1", "nightly")
	near.push("team/b", labelledImage(near.site, 2, "back", "prod"), "v1")
	near.push("team/c", labelledImage(near.site, 3, "front", "test"), "v1")
	chart := distributiontest.NewImage(near, 4, 300)
	chart.Config.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chart.Manifest = distributiontest.NewManifest(near, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: chart.Config, Layers: chart.Layers,
	})
	near.push("team/chart", chart, "v1")
	near.serve()
	for name, tc := range map[string]struct {
		change func(*replication.Options)
		want   []string
	}{
		"tags": {
			func(o *replication.Options) { o.Filter.Tags = "v*"; o.Filter.Repositories = "team/{a,b}" },
			[]string{"team/a:v1 copied", "team/a:v1-rc1 copied", "team/b:v1 copied"},
		},
		"except": {
			func(o *replication.Options) {
				o.Filter = selector.Selector{Repositories: "team/{a,chart}", ExceptRepositories: true, Tags: "*-rc*", ExceptTags: true}
			},
			[]string{"team/b:v1 copied", "team/c:v1 copied"},
		},
		"labels": {
			func(o *replication.Options) {
				o.Labels = []string{"tier=fr*", "org.example/*=prod"}
				o.Filter.Tags = "v1"
			},
			[]string{"team/a:v1 copied", "team/b:v1 skipped", "team/c:v1 skipped", "team/chart:v1 skipped"},
		},
		"charts": {
			func(o *replication.Options) {
				o.MediaTypes = []string{"application/vnd.cncf.helm.*"}
				o.Filter.Tags = "v1"
			},
			[]string{"team/a:v1 skipped", "team/b:v1 skipped", "team/c:v1 skipped", "team/chart:v1 copied"},
		},
	} {
		near.rule(name, func(r *replication.Rule) { r.Namespace = name; tc.change(&r.Options) })
		run := near.run(name)
		if got := near.items(run.ID); !slices.Equal(got, tc.want) {
			near.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		for _, item := range tc.want {
			at, state, _ := strings.Cut(item, " ")
			repo, tag, _ := strings.Cut(at, ":")
			if copied := far.names(name+"/"+repo, tag) != ""; copied != (state == "copied") {
				near.Errorf("%s: %s is there: %v", name, at, copied)
			}
		}
	}
}

// testLabelsOfPeople: a rule chooses by the labels that people have put on artifacts, and
// one that listens hears when one is put on.
func testLabelsOfPeople(near *replicator, far *site) {
	for i, repo := range []string{"team/a", "team/b"} {
		near.push(repo, distributiontest.NewImage(near, uint64(i), 300), "v1")
	}
	people, name := labels.New(near.db, auth.Judge{}, replication.Labelled), "to be copied"
	if _, err := people.Create(near.ctx, auth.Operator(), "", labels.Spec{Name: &name}); err != nil {
		near.Fatal(err)
	}
	put := func(repo string) {
		near.Helper()
		on := labels.Artifact{Repository: repo, Digest: near.names(repo, "v1")}
		if err := people.Put(near.ctx, auth.Operator(), on, labels.Which{Name: name}); err != nil {
			near.Fatal(err)
		}
	}
	put("team/a")
	near.rule("chosen", func(r *replication.Rule) { r.Labels, r.OnEvent = []string{"to be *"}, true })
	near.rule("other", func(r *replication.Rule) { r.OnEvent, r.Filter.Tags = true, "none" })
	near.serve()
	if got := near.items(near.run("chosen").ID); !slices.Equal(got, []string{"team/a:v1 copied", "team/b:v1 skipped"}) {
		near.Errorf("%q", got)
	}
	put("team/b")
	if run := near.last("chosen", 2); run.Cause != replication.Event || far.names("team/b", "v1") == "" {
		near.Errorf("%+v", run)
	}
	if all, _, err := near.Runs(near.Context(), auth.Operator(), "other", 0, 10); err != nil || len(all) != 0 {
		near.Errorf("a rule that does not choose by labels has %d runs (%v)", len(all), err)
	}
}

func testOverrideAndKeep(near *replicator, far *site) {
	ours, theirs := distributiontest.NewImage(near, 1, 300), distributiontest.NewImage(near, 2, 300)
	near.push("team/app", ours, "v1", "v2")
	far.push("team/app", theirs, "v1")
	near.rule("careful", func(r *replication.Rule) { r.Override = false })
	near.rule("bold", nil)
	near.serve()
	run := near.run("careful")
	if got := near.items(run.ID); !slices.Equal(got, []string{"team/app:v1 kept", "team/app:v2 copied"}) {
		near.Errorf("%q", got)
	}
	if far.names("team/app", "v1") != theirs.Manifest.Descriptor.Digest {
		near.Error("the tag was moved")
	}
	near.run("bold")
	if far.names("team/app", "v1") != ours.Manifest.Descriptor.Digest {
		near.Error("the tag was not moved")
	}
}

func testDeletion(near *replicator, far *site) {
	img, other := distributiontest.NewImage(near, 1, 300), distributiontest.NewImage(near, 2, 300)
	near.push("team/app", img, "v1", "v2", "v3")
	far.push("team/app", other, "theirs")
	near.rule("mirror", func(r *replication.Rule) { r.Delete = true })
	near.serve()
	near.run("mirror")
	for _, tag := range []string{"v1", "v2"} {
		if err := near.reg.DeleteTag(near.ctx, "team/app", tag); err != nil {
			near.Fatal(err)
		}
	}
	far.put("team/app", other.Manifest, "v2") // somebody there has another use for it
	run := near.run("mirror")
	if got := near.items(run.ID); !slices.Equal(got, []string{
		"team/app:v1 deleted", "team/app:v2 kept", "team/app:v3 unchanged",
	}) {
		near.Errorf("%q", got)
	}
	if far.names("team/app", "v1") != "" || far.names("team/app", "v2") == "" || far.names("team/app", "theirs") == "" ||
		far.names("team/app", "v3") == "" {
		near.Error("the wrong tags were deleted")
	}
}

func testEvents(near *replicator, far *site) {
	near.rule("follow", func(r *replication.Rule) { r.OnEvent, r.Delete, r.Filter.Tags = true, true, "v*" })
	near.serve()
	img := distributiontest.NewImage(near, 1, 300)
	near.push("team/app", img, "v1", "latest")
	near.push("other/app", img, "v1")
	if run := near.last("follow", 1); run.Cause != replication.Event || far.names("team/app", "v1") == "" {
		near.Errorf("%+v", run)
	}
	if far.names("team/app", "latest") != "" || far.names("other/app", "v1") != "" {
		near.Error("what the rule does not choose was copied")
	}
	m := near.attach("team/app", img.Manifest.Descriptor, "application/signature")
	near.last("follow", 2)
	if _, err := far.reg.GetManifest(far.ctx, "team/app", m.Descriptor.Digest); err != nil {
		near.Errorf("a signature that came later: %v", err)
	}
	if err := near.reg.DeleteTag(near.ctx, "team/app", "v1"); err != nil {
		near.Fatal(err)
	}
	if run := near.last("follow", 3); run.Counts[replication.Deleted] != 1 || far.names("team/app", "v1") != "" {
		near.Errorf("%+v", run)
	}
	if err := near.Enable(near.Context(), auth.Operator(), "follow", false); err != nil {
		near.Fatal(err)
	}
	near.push("team/app", img, "v9")
	time.Sleep(1200 * time.Millisecond)
	if all, _, err := near.Runs(near.Context(), auth.Operator(), "follow", 0, 10); err != nil || len(all) != 3 {
		near.Errorf("a rule that is disabled has %d runs (%v)", len(all), err)
	}
}

// testFailuresEndNothingElse has the target refuse one repository for good, and one
// for a while.
func testFailuresEndNothingElse(near *replicator, far *site) {
	for i, repo := range []string{"team/denied", "team/flaky", "team/good"} {
		near.push(repo, distributiontest.NewImage(near, uint64(i), 300), "v1")
	}
	var denied, flaky atomic.Int64
	far.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/team/denied/manifests/"):
			denied.Add(1)
			http.Error(w, `{"errors":[{"code":"DENIED","message":"not you"}]}`, http.StatusForbidden)
			return true
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/team/flaky/manifests/") && flaky.Add(1) == 1:
			http.Error(w, `{"errors":[{"code":"CONFLICT","message":"another time"}]}`, http.StatusConflict)
			return true
		}
		return false
	})
	near.rule("all", nil)
	near.serve()
	run := near.run("all")
	if run.Job.State != jobs.Failed || !strings.Contains(run.Job.Error, "1 of 3 tags failed; the first, team/denied:v1") ||
		!strings.Contains(run.Job.Error, "not you") {
		near.Errorf("%+v", run.Job)
	}
	if got := near.items(run.ID); !slices.Equal(got, []string{
		"team/denied:v1 failed", "team/flaky:v1 copied", "team/good:v1 copied",
	}) || denied.Load() != 1 {
		near.Errorf("%q, %d tries of what is denied", got, denied.Load())
	}
	if _, err := near.Again(near.Context(), auth.Operator(), run.ID+1); !errors.Is(err, errdefs.ErrNotFound) {
		near.Errorf("again, of a run that there is not: %v", err)
	}
	far.answer(nil)
	id, err := near.Again(near.Context(), auth.Operator(), run.ID)
	if err != nil {
		near.Fatal(err)
	}
	if again := near.ended(id); again.Job.State != jobs.Done || again.Cause != replication.Retry || again.Total() != 1 {
		near.Errorf("%+v", again)
	}
	if _, err := near.Again(near.Context(), auth.Operator(), id); !errors.Is(err, errdefs.ErrConflict) {
		near.Errorf("again, of what has not failed: %v", err)
	}
}

const large = 24 << 20

// testStopAndGoOn stops a run within a blob. The next one sends the rest of it.
func testStopAndGoOn(near *replicator, far *site) {
	img := distributiontest.NewImage(near, 1, large)
	near.push("team/app", img, "v1")
	near.rule("slow", func(r *replication.Rule) { r.Rate = 4 << 20 })
	near.serve()
	id, err := near.Start(near.Context(), auth.Operator(), "slow")
	if err != nil {
		near.Fatal(err)
	}
	near.until(id, func(replication.Run) bool { return far.received.Load() > 5<<20 })
	asked := time.Now()
	if err := near.Stop(near.Context(), auth.Operator(), id); err != nil {
		near.Fatal(err)
	}
	if run := near.ended(id); run.Job.State != jobs.Stopped || run.Counts[replication.Waiting] != 1 {
		near.Errorf("%+v", run)
	}
	if took := time.Since(asked); took > 2*time.Second {
		near.Errorf("the stop took %v", took)
	}
	if got := far.received.Load(); got > large*3/4 {
		near.Errorf("%d bytes were sent already", got)
	}
	near.finishes(far, img, "slow")
}

// finishes runs a rule without its limit, and counts what came in all.
func (r *replicator) finishes(far *site, img distributiontest.Image, name string) {
	r.Helper()
	rule, err := r.Get(r.Context(), auth.Operator(), name)
	if err != nil {
		r.Fatal(err)
	}
	rule.Rate = 0
	if _, err := r.Set(r.Context(), auth.Operator(), rule); err != nil {
		r.Fatal(err)
	}
	if run := r.run(name); run.Job.State != jobs.Done {
		r.Errorf("%+v", run.Job)
	}
	if far.names("team/app", "v1") != img.Manifest.Descriptor.Digest {
		r.Error("the image is not there")
	}
	// Each byte once: the blob, the config, and nothing else.
	if got, want := far.received.Load(), int64(large)+img.Config.Size; got != want {
		r.Errorf("%d bytes came for %d (%+d)", got, want, got-want)
	}
}

// testKilledRunGoesOn ends a server without a word, within a blob: another takes the
// run, and what is not done of it.
func testKilledRunGoesOn(near *replicator, far *site) {
	img := distributiontest.NewImage(near, 1, large)
	near.push("team/app", img, "v1")
	near.push("team/done", distributiontest.NewImage(near, 2, 10), "v1")
	near.rule("slow", func(r *replication.Rule) { r.Rate = 4 << 20 })
	stop := near.serve()
	id, err := near.Start(near.Context(), auth.Operator(), "slow")
	if err != nil {
		near.Fatal(err)
	}
	near.until(id, func(run replication.Run) bool {
		return far.received.Load() > 5<<20 && run.Counts[replication.Copied] == 1
	})
	stop() // it gives the job back; what a kill leaves is the same, but for the wait
	if run, err := near.Run(near.Context(), auth.Operator(), id); err != nil || run.Job.State != jobs.Waiting {
		near.Errorf("%+v %v", run, err)
	}
	near.serve()
	if run := near.ended(id); run.Job.State != jobs.Done || run.Counts[replication.Copied] != 2 {
		near.Errorf("%+v", run)
	}
	small := distributiontest.NewImage(near, 2, 10)
	want := int64(large) + img.Config.Size + small.Config.Size + 10
	if got := far.received.Load(); got != want {
		near.Errorf("%d bytes came for %d (%+d)", got, want, got-want)
	}
}

func testOneRunAtATime(near *replicator, far *site) {
	near.push("team/app", distributiontest.NewImage(near, 1, 2<<20), "v1")
	near.rule("slow", func(r *replication.Rule) { r.Rate, r.OnEvent = 1<<20, true })
	near.serve()
	first, err := near.Start(near.Context(), auth.Operator(), "slow")
	if err != nil {
		near.Fatal(err)
	}
	if _, err := near.Start(near.Context(), auth.Operator(), "slow"); !errors.Is(err, errdefs.ErrConflict) {
		near.Errorf("a second run: %v", err)
	}
	near.until(first, func(run replication.Run) bool { return run.Job.State == jobs.Running && far.received.Load() > 0 })
	near.push("team/late", distributiontest.NewImage(near, 2, 300), "v1")
	run := near.ended(first)
	near.last("slow", 1)
	if far.names("team/late", "v1") == "" {
		near.Errorf("what was pushed meanwhile was not copied: %+v", run)
	}
	if err := near.Remove(near.Context(), auth.Operator(), "slow"); err != nil {
		near.Error(err)
	}
	if _, err := near.Get(near.Context(), auth.Operator(), "slow"); !errors.Is(err, errdefs.ErrNotFound) {
		near.Errorf("a rule that was removed: %v", err)
	}
}

func testBandwidth(near *replicator, far *site) {
	near.push("team/app", distributiontest.NewImage(near, 1, 1<<20, 1<<20), "v1")
	near.rule("slow", func(r *replication.Rule) { r.Rate = 1 << 20 })
	near.serve()
	begun := time.Now()
	run := near.run("slow")
	if took := time.Since(begun); run.Job.State != jobs.Done || took < 1800*time.Millisecond {
		near.Errorf("2 MiB at 1 MiB a second took %v: %+v", took, run.Job)
	}
}

// testSchedules has a rule run by its schedule, until it is disabled.
func testSchedules(near *replicator, far *site) {
	near.push("team/app", distributiontest.NewImage(near, 1, 300), "v1")
	near.rule("nightly", func(r *replication.Rule) { r.Schedule, r.Zone = "0 3 * * *", "Europe/Berlin" })
	r, err := near.Get(near.Context(), auth.Operator(), "nightly")
	if err != nil || r.Next.Before(time.Now()) || r.Next.After(time.Now().Add(25*time.Hour)) {
		near.Errorf("%+v %v", r, err)
	}
	if err := near.db.Update(near.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "UPDATE schedules SET next_at = 1")
		return err
	}); err != nil {
		near.Fatal(err)
	}
	near.serve()
	if run := near.last("nightly", 1); run.Cause != replication.Scheduled || far.names("team/app", "v1") == "" {
		near.Errorf("%+v", run)
	}
	if err := near.Enable(near.Context(), auth.Operator(), "nightly", false); err != nil {
		near.Fatal(err)
	}
	if r, err = near.Get(near.Context(), auth.Operator(), "nightly"); err != nil || r.Enabled || !r.Next.IsZero() {
		near.Errorf("%+v %v", r, err)
	}
	if run := near.run("nightly"); run.Job.State != jobs.Done { // by hand it may
		near.Errorf("%+v", run)
	}
}

// testEndpointThatIsAway has a run begin while the endpoint does not answer: it is
// tried again, and fails with the reason.
func testEndpointThatIsAway(near *replicator, far *site) {
	far.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "down", http.StatusBadGateway)
		return true
	})
	near.push("team/app", distributiontest.NewImage(near, 1, 300), "v1")
	near.rule("out", nil)
	near.rule("in", func(r *replication.Rule) { r.Direction, r.Filter.Repositories = replication.Pull, "**" })
	near.serve()
	run := near.run("out")
	if run.Job.State != jobs.Failed || run.Counts[replication.Failed] != 1 || !strings.Contains(run.Job.Error, "502") {
		near.Errorf("%+v", run)
	}
	if run = near.run("in"); run.Job.State != jobs.Failed || run.Planned || !strings.Contains(run.Job.Error, "502") {
		near.Errorf("%+v", run)
	}
	far.answer(nil)
	if run = near.run("out"); run.Job.State != jobs.Done || far.names("team/app", "v1") == "" {
		near.Errorf("%+v", run)
	}
}

// testNeverSentToWhereSecretsAre has an endpoint send us to addresses where a machine's own
// secrets lie, at each step of a run that can be sent somewhere: no run goes there, each says so,
// and what was not sent elsewhere is copied.
func testNeverSentToWhereSecretsAre(near *replicator, far *site) {
	img := distributiontest.NewImage(near, 1, 300)
	far.push("team/in", img, "v1")
	far.push("team/other", distributiontest.NewImage(near, 2, 300), "v1")
	near.push("team/out", distributiontest.NewImage(near, 3, 300), "v1")
	for _, name := range []string{"in", "out"} {
		near.rule(name, func(r *replication.Rule) {
			if r.Filter.Repositories = "team/out"; name == "in" {
				r.Direction, r.Filter.Repositories = replication.Pull, "team/{in,other}"
			}
		})
	}
	near.serve()
	for name, c := range map[string]struct {
		rule, method, path, to string
	}{
		"a blob":              {"in", "GET", "/team/in/blobs/", "https://169.254.169.254/latest/meta-data/iam"},
		"a manifest":          {"in", "GET", "/team/in/manifests/", "https://[fd00:ec2::254]/"},
		"a token":             {"in", "", "/team/in/", "https://100.100.100.200/token"},
		"an upload":           {"out", "POST", "/blobs/uploads/", "https://169.254.1.1/upload"},
		"the end of a blob":   {"out", "PUT", "/blobs/uploads/", "https://[fe80::1]/upload"},
		"the token of a push": {"out", "", "/team/out/", "https://168.63.129.16/token"},
	} {
		far.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if (c.method != "" && r.Method != c.method) || !strings.Contains(r.URL.Path, c.path) {
				return false
			}
			w.Header().Set("Location", c.to)
			switch c.method {
			case "":
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+c.to+`",service="far"`)
				w.WriteHeader(http.StatusUnauthorized)
			case http.MethodPost:
				w.WriteHeader(http.StatusAccepted)
			default:
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
			return true
		})
		run := near.run(c.rule)
		page, _, err := near.Items(near.Context(), auth.Operator(), replication.ItemQuery{Run: run.ID, N: 10})
		if err != nil {
			near.Fatal(err)
		}
		said := run.Job.Error
		for _, i := range page {
			said += "\n" + i.Note
			if i.Repository == "team/other" && i.State != replication.Copied && i.State != replication.Unchanged {
				near.Errorf("%s: what is not sent elsewhere: %+v", name, i)
			}
		}
		if run.Job.State != jobs.Failed || !strings.Contains(said, "metadata service") && !strings.Contains(said, "link-local") {
			near.Errorf("%s: %s: %s", name, run.Job.State, said)
		}
	}
	far.answer(nil)
	for _, name := range []string{"in", "out"} {
		if run := near.run(name); run.Job.State != jobs.Done {
			near.Errorf("%s, when it is sent nowhere: %+v", name, run)
		}
	}
	// An endpoint that is such an address itself.
	if _, err := near.endpoints.Create(near.Context(), auth.Operator(), endpoint.Spec{Name: "cloud", Address: "169.254.169.254"}); err != nil {
		near.Fatal(err)
	}
	near.rule("cloud", func(r *replication.Rule) { r.Endpoint, r.Filter.Repositories = "cloud", "team/out" })
	run := near.run("cloud")
	if page, _, err := near.Items(near.Context(), auth.Operator(), replication.ItemQuery{Run: run.ID, N: 10}); err != nil ||
		run.Job.State != jobs.Failed || len(page) != 1 || !strings.Contains(page[0].Note, "metadata service") {
		near.Errorf("%v %+v %+v", err, run, page)
	}
}

// testDamageAtTheSource has an endpoint give other bytes than it says: nothing of
// that is stored.
func testDamageAtTheSource(near *replicator, far *site) {
	img := distributiontest.NewImage(near, 1, 30_000)
	far.push("team/app", img, "v1")
	far.push("team/good", distributiontest.NewImage(near, 2, 300), "v1")
	far.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/blobs/"+img.Layers[0].Digest.String()) {
			return false
		}
		_, _ = w.Write(distributiontest.Bytes(99, 30_000))
		return true
	})
	near.rule("in", func(r *replication.Rule) { r.Direction = replication.Pull })
	near.serve()
	run := near.run("in")
	if got := near.items(run.ID); !slices.Equal(got, []string{"team/app:v1 failed", "team/good:v1 copied"}) {
		near.Errorf("%q", got)
	}
	if near.names("team/app", "v1") != "" {
		near.Error("a damaged image has its tag")
	}
	if _, err := near.reg.StatBlob(near.ctx, "team/app", img.Layers[0].Digest); !errors.Is(err, errdefs.ErrNotFound) {
		near.Errorf("the damaged blob: %v", err)
	}
}

func testOnlyWhoManagesRegistries(near *replicator, _ *site) {
	near.rule("all", nil)
	ctx, ann := near.Context(), auth.Caller{UserID: 7, Name: "ann"}
	for what, do := range map[string]func() error{
		"list": func() error { _, err := near.List(ctx, ann); return err },
		"get":  func() error { _, err := near.Get(ctx, ann, "all"); return err },
		"create": func() error {
			_, err := near.Create(ctx, ann, replication.Rule{
				Name: "x", Endpoint: "far", Options: replication.Options{Direction: replication.Push},
			})
			return err
		},
		"enable": func() error { return near.Enable(ctx, ann, "all", false) },
		"remove": func() error { return near.Remove(ctx, ann, "all") },
		"start":  func() error { _, err := near.Start(ctx, ann, "all"); return err },
		"again":  func() error { _, err := near.Again(ctx, ann, 1); return err },
		"stop":   func() error { return near.Stop(ctx, ann, 1) },
		"runs":   func() error { _, _, err := near.Runs(ctx, ann, "", 0, 1); return err },
		"run":    func() error { _, err := near.Run(ctx, ann, 1); return err },
		"items":  func() error { _, _, err := near.Items(ctx, ann, replication.ItemQuery{Run: 1, N: 1}); return err },
	} {
		if err := do(); !errors.Is(err, errdefs.ErrDenied) {
			near.Errorf("%s: %v", what, err)
		}
	}
}
