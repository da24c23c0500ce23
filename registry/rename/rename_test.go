package rename_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
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
	"cove/registry/auth/rights"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/names"
	"cove/registry/metadata/people"
	"cove/registry/metadata/usage"
	"cove/registry/quota"
	"cove/registry/records"
	"cove/registry/reindex"
	"cove/registry/rename"
	"cove/registry/replication"
	"cove/registry/retention"
	"cove/registry/selector"
	"cove/registry/store"
)

type allowAll struct{}

func (allowAll) May(context.Context, distribution.Action, string) bool { return true }

// site is a registry in which things are renamed.
type site struct {
	t        *testing.T
	db       *metadata.DB
	registry *store.Registry
	bytes    *memstore.Store
	records  *records.Records
	*rename.Names
}

func newSite(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB, projects ...string) *site {
	t.Helper()
	s := &site{t: t, db: open(t, time.Now), bytes: memstore.New(time.Now)}
	var err error
	s.records, err = records.OpenFolder(t.TempDir(), records.Options{})
	s.must(err)
	t.Cleanup(func() { s.must(s.records.Close()) })
	s.registry, err = store.New(t.Context(), store.Config{
		Store: s.bytes, DB: s.db, Rights: allowAll{}, KeepTag: immutable.Guard, Records: s.records, Tell: replication.Stored,
	}, true)
	s.must(err)
	s.Names = rename.New(rename.Config{DB: s.db, Serves: true, Records: s.records, Tell: replication.Stored})
	s.must(s.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for _, name := range projects {
			if _, _, err := tx.CreateProject(ctx, name, "test"); err != nil {
				return err
			}
		}
		return nil
	}))
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// push pushes an image of these layers and tags it.
func (s *site) push(repo, tag string, layers ...string) (digest.Digest, error) {
	ctx := s.t.Context()
	doc := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, []byte("{}")),
	}
	for _, text := range append([]string{"{}"}, layers...) {
		up, err := s.registry.StartUpload(ctx, repo)
		if err != nil {
			return "", err
		}
		if _, err = up.Write([]byte(text)); err == nil {
			_, err = up.Commit(ctx, digest.FromString(text))
		}
		if err != nil {
			return "", err
		}
		if text != "{}" {
			doc.Layers = append(doc.Layers, distributiontest.Blob(ocispec.MediaTypeImageLayer, []byte(text)))
		}
	}
	m := distributiontest.NewManifest(s.t, doc)
	_, err := s.registry.PutManifest(ctx, repo, m, tag)
	return m.Descriptor.Digest, err
}

func (s *site) pushed(repo, tag string, layers ...string) digest.Digest {
	s.t.Helper()
	dgst, err := s.push(repo, tag, layers...)
	s.must(err)
	return dgst
}

// recounted checks that what every project uses is what a recount finds.
func (s *site) recounted(after string) {
	s.t.Helper()
	all, err := s.db.Projects(s.t.Context(), "", 100)
	s.must(err)
	for _, p := range all {
		r, err := usage.Recount(s.t.Context(), s.db.Querier(), p.ID)
		s.must(err)
		if !r.Equal() {
			s.t.Errorf("after %s project %s is not what a recount finds: %+v", after, p.Name, r)
		}
	}
}

// recorded checks that a registry made of what lies beside the bytes has the same tags.
func (s *site) recorded(open func(testing.TB, func() time.Time) *metadata.DB) {
	s.t.Helper()
	ctx, other := s.t.Context(), open(s.t, time.Now)
	_, err := reindex.Run(ctx, s.bytes, other, s.records, func(err error) { s.t.Errorf("reindex: %v", err) })
	s.must(err)
	if was, is := tagsOf(s, s.db), tagsOf(s, other); !slices.Equal(was, is) {
		s.t.Errorf("the database has\n%s\nand the records\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
	}
}

func tagsOf(s *site, db *metadata.DB) (all []string) {
	s.t.Helper()
	repos, err := db.Repositories(s.t.Context(), metadata.Viewer{All: true}, "", 1000)
	s.must(err)
	for _, repo := range repos {
		id, err := db.Repository(s.t.Context(), repo)
		s.must(err)
		tags, err := db.Tags(s.t.Context(), id, "", 1000)
		s.must(err)
		for _, tag := range tags {
			desc, err := db.ManifestByTag(s.t.Context(), repo, tag)
			s.must(err)
			all = append(all, repo+":"+tag+" "+desc.Digest.String())
		}
	}
	return all
}

var operator = auth.Operator()

const keep = 24 * time.Hour

// TestARepositoryKeepsWhatItIs renames one and moves it to another project: its images, its
// history and what was deleted of it are those it had, the sums of both projects follow, and
// so do the records beside the bytes.
func TestARepositoryKeepsWhatItIs(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "other"), t.Context()
		first := s.pushed("team/app", "v1", "a", "shared")
		second := s.pushed("team/app", "v1", "b", "shared")
		s.pushed("team/app/part", "v1", "shared", "c")
		s.pushed("other/there", "v1", "b", "d")
		s.must(s.registry.DeleteManifest(ctx, "team/app", first))
		for _, to := range []string{"team/web", "other/web", "other/a/b/c", "team/app"} {
			from := map[string]string{"team/web": "team/app", "other/web": "team/web", "other/a/b/c": "other/web", "team/app": "other/a/b/c"}[to]
			done, err := s.Repository(ctx, operator, rename.Request{From: from, To: to, Keep: keep})
			s.must(err)
			if done.Name != to || done.Repositories != 1 || done.Until.Before(time.Now()) {
				t.Errorf("%s to %s: %+v", from, to, done)
			}
			m, err := s.registry.GetTag(ctx, to, "v1")
			if err != nil || m.Descriptor.Digest != second {
				t.Fatalf("%s has %v %v", to, m.Descriptor.Digest, err)
			}
			if _, err := s.registry.GetTag(ctx, from, "v1"); !errors.Is(err, distribution.ErrNoRepository) {
				t.Errorf("%s is still there: %v", from, err)
			}
			s.recounted(from + " to " + to)
			s.recorded(open)
		}
		past := history.New(s.db, auth.Judge{}, &history.Bin{
			Registry: s.registry, DB: s.db, Bytes: s.bytes, Grace: func() time.Duration { return time.Hour },
		})
		changes, _, err := past.Page(ctx, operator, history.Query{Repository: "team/app", N: 10})
		if s.must(err); len(changes) != 2 || changes[0].Previous != first {
			t.Errorf("history %+v", changes)
		}
		if _, err := past.Restore(ctx, operator, history.Request{Repository: "team/app", Digest: first}); err != nil {
			t.Errorf("what was deleted before does not come back: %v", err)
		}
		s.recounted("what was deleted came back")
	})
}

// TestMovesAreExact moves repositories that share layers between projects at random.
func TestMovesAreExact(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		projects := []string{"p0", "p1", "p2"}
		s, rnd := newSite(t, open, projects...), rand.New(rand.NewPCG(7, 7))
		repos := []string{}
		for i := range 8 {
			repo := fmt.Sprintf("p%d/r%d", i%3, i)
			for v := range 3 {
				s.pushed(repo, fmt.Sprint("v", v), fmt.Sprint("layer ", rnd.IntN(9)), fmt.Sprint("layer ", rnd.IntN(9)))
			}
			repos = append(repos, repo)
		}
		for i := range 25 {
			at := rnd.IntN(len(repos))
			to := fmt.Sprintf("%s/m%d", projects[rnd.IntN(3)], i)
			_, err := s.Repository(t.Context(), operator, rename.Request{From: repos[at], To: to})
			s.must(err)
			repos[at] = to
			if i%4 == 0 { // what is held changes as before
				m, err := s.registry.GetTag(t.Context(), to, "v1")
				if err == nil {
					s.must(s.registry.DeleteManifest(t.Context(), to, m.Descriptor.Digest))
				}
				s.pushed(to, fmt.Sprint("n", i), fmt.Sprint("layer ", rnd.IntN(9)))
			}
			s.recounted(fmt.Sprint("move ", i))
		}
		s.recorded(open)
	})
}

// TestAProjectTakesItsNameAlong renames a project: repositories, jobs' schedules and what
// names it from outside follow, and chains of names lead to the one of today.
func TestAProjectTakesItsNameAlong(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "teamwork"), t.Context()
		for _, repo := range []string{"team/app", "team/a/b", "teamwork/app"} {
			s.pushed(repo, "v1", repo, "shared")
		}
		rules := retention.New(s.db, auth.Judge{}, s.registry)
		s.must(rules.Schedule(ctx, operator, "team", "@daily", "UTC"))
		_, err := s.Repository(ctx, operator, rename.Request{From: "team/app", To: "team/web", Keep: keep})
		s.must(err)
		done, err := s.Project(ctx, operator, rename.Request{From: "team", To: "crew", Keep: 2 * keep})
		if s.must(err); done.Repositories != 2 {
			t.Errorf("%+v", done)
		}
		_, err = s.Repository(ctx, operator, rename.Request{From: "crew/a/b", To: "teamwork/b", Keep: keep})
		s.must(err)
		s.recounted("the renames")
		s.recorded(open)
		p, err := rules.Of(ctx, operator, "crew")
		if s.must(err); p.Schedule.Cron != "@daily" || p.Schedule.Subject != "crew" {
			t.Errorf("schedule %+v", p.Schedule)
		}
		for old, want := range map[string]string{
			"team/app": "crew/web", "team/web": "crew/web", "crew/web": "crew/web", "team/a/b": "teamwork/b", "crew/a/b": "teamwork/b",
			"teamwork/app": "teamwork/app", "team/absent": "crew/absent", "absent/x": "absent/x",
		} {
			f, moved, err := names.Of(ctx, s.db.Querier(), old, time.Now())
			if err != nil || f.Now != want || moved != (old != want) {
				t.Errorf("%s is %s (%v %v), want %s", old, f.Now, moved, err, want)
			}
			if f, moved, err := names.Of(ctx, s.db.Querier(), old, time.Now().Add(3*keep)); err != nil || moved {
				t.Errorf("when its time is over %s is %s", old, f.Now)
			}
		}
		for _, name := range []string{"team/app", "team/new", "crew/a/b"} {
			if _, err := s.push(name, "v1", "x"); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "is called") {
				t.Errorf("a push to %s: %v", name, err)
			}
		}
		former, err := s.Former(ctx, operator, "crew")
		if s.must(err); len(former) != 2 || former[0].Name != "team" || former[1].Name != "team/app" || former[1].Now != "crew/web" {
			t.Errorf("former names %+v", former)
		}
		s.must(s.Release(ctx, operator, "crew", "team"))
		if err := s.Release(ctx, operator, "crew", "team"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("released again: %v", err)
		}
		s.pushed("team/new", "v1", "x")
		_, err = s.Project(ctx, operator, rename.Request{From: "crew", To: "team"})
		if !errors.Is(err, errdefs.ErrExists) {
			t.Errorf("a name that is taken: %v", err)
		}
	})
}

// TestWhatIsRefused: names that cannot be, are taken, or are another's.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "other", metadata.DefaultProject), t.Context()
		s.pushed("team/app", "v1", "12345678901234567890")
		s.pushed("team/old", "v1", "b")
		s.pushed("other/app", "v1", "c")
		_, err := s.Repository(ctx, operator, rename.Request{From: "team/old", To: "team/new", Keep: keep})
		s.must(err)
		limit := int64(700)
		s.must(quota.New(s.db, auth.Judge{}).Limit(ctx, operator, "other", &limit))
		for _, c := range []struct {
			from, to string
			keep     time.Duration
			want     error
		}{
			{"team/app", "team/app", 0, errdefs.ErrInvalid},
			{"team/app", "Team/App", 0, errdefs.ErrInvalid},
			{"team/app", "absent/app", 0, errdefs.ErrNotFound},
			{"team/absent", "team/x", 0, errdefs.ErrNotFound},
			{"team/app", "other/app", 0, errdefs.ErrExists},
			{"team/app", "team/old", 0, errdefs.ErrConflict},
			{"team/app", "team/x", -1, errdefs.ErrInvalid},
			{"team/app", "team/x", 1e18, errdefs.ErrInvalid},
			{"team/app", "other/x", 0, errdefs.ErrExhausted},
		} {
			_, err := s.Repository(ctx, operator, rename.Request{From: c.from, To: c.to, Keep: c.keep})
			var full *distribution.QuotaError
			if !errors.Is(err, c.want) && (c.to != "other/x" || !errors.As(err, &full)) {
				t.Errorf("%s to %s: %v, want %v", c.from, c.to, err, c.want)
			}
		}
		for from, to := range map[string]string{"team": "other", "library": "x", "absent": "y", "other": "A", "team/app": "x"} {
			if _, err := s.Project(ctx, operator, rename.Request{From: from, To: to}); err == nil {
				t.Errorf("project %s is called %s", from, to)
			}
		}
		s.recounted("what was refused")
		s.recorded(open)
	})
}

// TestRulesFollow: what names a repository says its new name, what matches it no more is
// noted, and no rename is a way around an immutable tag.
func TestRulesFollow(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "other"), t.Context()
		s.pushed("team/app", "v1", "a")
		keeps, stays := retention.New(s.db, auth.Judge{}, s.registry), immutable.New(s.db, auth.Judge{})
		add := func(repositories string) {
			t.Helper()
			_, err := keeps.Add(ctx, operator, "team", retention.Rule{
				Selector: selector.Selector{Repositories: repositories}, Template: retention.Always,
			})
			s.must(err)
		}
		add("app")
		add("a*")
		_, err := stays.Add(ctx, operator, "team", selector.Selector{Repositories: "app", Tags: "v*"})
		s.must(err)
		s.must(s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			u, err := tx.AddAccount(ctx, people.User{Name: "ann", Kind: people.KindUser})
			if err != nil {
				return err
			}
			p, err := tx.Project(ctx, "team")
			if err != nil {
				return err
			}
			return errors.Join(
				tx.SetMembership(ctx, people.Membership{UserID: u.ID, Matching: "app", Grant: people.Grant{
					ProjectID: p.ID, Role: rights.Developer, Repositories: "app",
				}}),
				tx.SetMembership(ctx, people.Membership{UserID: u.ID, Matching: "team/%", Grant: people.Grant{
					Role: rights.Guest, Repositories: "team/*",
				}}),
			)
		}))
		done, err := s.Repository(ctx, operator, rename.Request{From: "team/app", To: "team/web"})
		if s.must(err); len(done.Notes) != 1 || !strings.Contains(done.Notes[0], "a*") {
			t.Errorf("notes %q", done.Notes)
		}
		kept, err := retention.Of(ctx, s.db.Querier(), "team")
		if s.must(err); kept[0].Repositories != "web" || kept[1].Repositories != "a*" {
			t.Errorf("rules of retention %+v", kept)
		}
		if err := s.registry.DeleteTag(ctx, "team/web", "v1"); !errors.Is(err, errdefs.ErrDenied) && !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("the tag was immutable before: %v", err)
		}
		_, err = s.Repository(ctx, operator, rename.Request{From: "team/web", To: "other/web"})
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "immutable") {
			t.Errorf("moved where no rule keeps its tag: %v", err)
		}
		st, err := s.db.Standing(ctx, "team", userID(s, "ann"))
		if s.must(err); !slices.ContainsFunc(st.Grants, func(g metadata.Grant) bool { return g.Repositories == "web" }) {
			t.Errorf("rights %+v", st.Grants)
		}
		team, err := s.db.Project(ctx, "team")
		s.must(err)
		listed, err := s.db.Members(ctx, team.ID, "ann app", 10)
		if s.must(err); len(listed) != 1 || listed[0].Cursor() != "ann web" {
			t.Errorf("members behind the former name %+v", listed)
		}
		_, err = s.Project(ctx, operator, rename.Request{From: "team", To: "crew"})
		s.must(err)
		all, err := s.db.Access(ctx, userID(s, "ann"))
		if s.must(err); !slices.ContainsFunc(all, func(g metadata.Grant) bool { return g.Repositories == "crew/*" }) {
			t.Errorf("rights in all projects %+v", all)
		}
		if err := s.registry.DeleteTag(ctx, "crew/web", "v1"); err == nil {
			t.Error("the tag is not immutable any more")
		}
	})
}

func userID(s *site, name string) int64 {
	s.t.Helper()
	u, err := s.db.UserByName(s.t.Context(), name)
	s.must(err)
	return u.ID
}

// TestRenameWhilePushing: a push either ended before the rename, and is there by the new
// name, in the database and beside the bytes, or is refused.
func TestRenameWhilePushing(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s := newSite(t, open, "team", "crew")
		s.pushed("team/app", "first", "a")
		var mu sync.Mutex
		acknowledged := map[string]digest.Digest{}
		var pushing sync.WaitGroup
		begun := make(chan struct{}, 4)
		for worker := range 4 {
			pushing.Go(func() {
				for i := range 40 {
					if i == 3 {
						begun <- struct{}{}
					}
					tag := fmt.Sprintf("t%d-%d", worker, i)
					dgst, err := s.push("team/app", tag, tag)
					switch {
					case err == nil:
						mu.Lock()
						acknowledged[tag] = dgst
						mu.Unlock()
					case errors.Is(err, errdefs.ErrConflict):
						return
					default:
						t.Errorf("push %s: %v", tag, err)
						return
					}
				}
			})
		}
		for range 4 {
			<-begun
		}
		_, err := s.Repository(t.Context(), operator, rename.Request{From: "team/app", To: "crew/app", Keep: keep})
		pushing.Wait()
		s.must(err)
		for tag, dgst := range acknowledged {
			if m, err := s.registry.GetTag(t.Context(), "crew/app", tag); err != nil || m.Descriptor.Digest != dgst {
				t.Errorf("%s, which was acknowledged: %v %v", tag, m.Descriptor.Digest, err)
			}
		}
		if len(acknowledged) == 160 {
			t.Log("the rename came after all pushes")
		}
		s.recounted("a rename among pushes")
		other := open(t, time.Now)
		_, err = reindex.Run(t.Context(), s.bytes, other, s.records, func(error) {}) // of refused pushes
		s.must(err)
		for tag, dgst := range acknowledged {
			if m, err := other.ManifestByTag(t.Context(), "crew/app", tag); err != nil || m.Digest != dgst {
				t.Errorf("%s is not beside the bytes: %v %v", tag, m.Digest, err)
			}
		}
	})
}

// TestTakenOver runs the job of a rename once more, as who takes it from a server that was
// killed after the transaction does.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s := newSite(t, open, "team")
		s.pushed("team/app", "v1", "a")
		kind, w := s.Kind(), &jobs.Work{}
		s.must(s.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) (err error) {
			w.Kind = kind.Name
			w.Args, err = json.Marshal(rename.Request{From: "team/app", To: "team/web", Keep: keep})
			if err == nil {
				w.ID, _, err = jobs.Add(ctx, tx, jobs.New{Kind: kind.Name, Subject: "team/app", Args: w.Args})
			}
			return err
		}))
		first, err := kind.Run(t.Context(), w)
		s.must(err)
		again := &jobs.Work{}
		again.ID, again.Kind = w.ID, w.Kind
		var args string
		s.must(s.db.Querier().Row(t.Context(), "SELECT args FROM jobs WHERE id = $1", w.ID).Scan(&args))
		again.Args = []byte(args)
		second, err := kind.Run(t.Context(), again)
		if err != nil || second != first || !strings.Contains(first, "team/web") {
			t.Errorf("first %s, then %s, %v", first, second, err)
		}
	})
}
