package labels_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

var operator = auth.Operator()

// site is a database with projects, a repository app in each, and an artifact in that.
type site struct {
	*labels.Labels
	t     *testing.T
	db    *metadata.DB
	heard []string
}

func newSite(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB, projects ...string) *site {
	t.Helper()
	s := &site{t: t, db: open(t, time.Now)}
	s.Labels = labels.New(s.db, auth.Judge{}, func(_ context.Context, _ *metadata.Tx, repo, dgst, actor string) error {
		s.heard = append(s.heard, repo+" "+dgst+" "+actor)
		return nil
	})
	for _, project := range projects {
		s.add(project+"/app", "v1")
	}
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// change is a transaction on a repository, which is made.
func (s *site) change(repo string, do func(ctx context.Context, tx *metadata.Tx, id int64) error) {
	s.t.Helper()
	s.must(s.db.Update(s.t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		if err != nil {
			return err
		}
		return do(ctx, tx, id)
	}))
}

// add adds an artifact, which is its tag.
func (s *site) add(repo, tag string) labels.Artifact {
	s.t.Helper()
	on := artifact(repo, tag)
	s.change(repo, func(ctx context.Context, tx *metadata.Tx, id int64) error {
		var m metadata.Manifest
		m.Descriptor.Digest, m.Descriptor.Size = on.Digest, 7
		if err := tx.AddBytes(ctx, on.Digest, 7); err != nil {
			return err
		}
		if err := tx.AddManifest(ctx, id, m, ""); err != nil {
			return err
		}
		return tx.SetTag(ctx, id, tag, on.Digest, "")
	})
	return on
}

func artifact(repo, tag string) labels.Artifact {
	return labels.Artifact{Repository: repo, Digest: digest.FromString(tag)}
}

func (s *site) make(project, name string) labels.Label {
	s.t.Helper()
	l, err := s.Create(s.t.Context(), operator, project, labels.Spec{Name: &name})
	s.must(err)
	return l
}

func (s *site) put(on labels.Artifact, name string) error {
	return s.Put(s.t.Context(), operator, on, labels.Which{Name: name})
}

// on are the names of an artifact's labels, those of all projects with a "*".
func (s *site) on(of labels.Artifact) string {
	s.t.Helper()
	id, err := s.db.Repository(s.t.Context(), of.Repository)
	s.must(err)
	found, err := labels.On(s.t.Context(), s.db.Querier(), id, of.Digest, digest.FromString("another"))
	s.must(err)
	var names, plain []string
	for _, l := range found[of.Digest] {
		name := l.Name
		if l.Global() {
			name = "*" + name
		}
		names, plain = append(names, name), append(plain, l.Name)
	}
	again, err := labels.Names(s.t.Context(), s.db.Querier(), of.Repository, of.Digest)
	if s.must(err); !slices.Equal(again, plain) {
		s.t.Errorf("names %q, labels %q", again, plain)
	}
	return strings.Join(names, " ")
}

func each(t *testing.T, test func(s *site), projects ...string) {
	t.Helper()
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		test(newSite(t, open, projects...))
	})
}

// TestLabels makes, lists, changes and removes them.
func TestLabels(t *testing.T) {
	each(t, func(s *site) {
		ctx := s.t.Context()
		stable := s.make("", "stable")
		if stable.Color != labels.DefaultColor || stable.By != operator.Name || !stable.Global() || stable.Number != 0 {
			s.t.Errorf("made %+v", stable)
		}
		if mine := s.make("team", "stable"); mine.Project != "team" || mine.Number == 0 {
			s.t.Errorf("of a project %+v", mine)
		}
		for _, project := range []string{"", "team"} {
			_, err := s.Create(ctx, operator, project, labels.Spec{Name: &stable.Name})
			if !errors.Is(err, errdefs.ErrExists) {
				s.t.Errorf("twice in %q: %v", project, err)
			}
		}
		for i := range 5 {
			s.make("team", fmt.Sprintf("Build-%d", i))
		}
		var names []string
		for last, more := "", true; more; {
			var page []labels.Label
			var err error
			page, more, err = s.List(ctx, operator, "team", labels.Query{Match: "BUILD", Last: last, N: 2})
			s.must(err)
			for _, l := range page {
				names, last = append(names, l.Name), l.Name
			}
		}
		if got := strings.Join(names, " "); got != "Build-0 Build-1 Build-2 Build-3 Build-4" {
			s.t.Errorf("listed %s", got)
		}
		if odd, _, err := s.List(ctx, operator, "team", labels.Query{Match: "_", N: 9}); err != nil || len(odd) != 0 {
			s.t.Errorf("what is no pattern: %v %v", odd, err)
		}
		name, about, color := "released", "for everyone", "#1A7F37"
		changed, err := s.Change(ctx, operator, "", stable.ID, labels.Spec{Name: &name, Description: &about, Color: &color})
		if s.must(err); changed.Name != name || changed.Description != about || changed.Color != color {
			s.t.Errorf("changed %+v", changed)
		}
		if got, err := s.Get(ctx, operator, "", stable.ID); err != nil || got.Name != name || got.CreatedAt != stable.CreatedAt {
			s.t.Errorf("read again %+v %v", got, err)
		}
		taken := "Build-1"
		mine, err := s.Usable(ctx, operator, "team")
		if s.must(err); len(mine) != 7 || mine[6].Name != name {
			s.t.Fatalf("usable %+v", mine)
		}
		if _, err := s.Change(ctx, operator, "team", mine[0].ID, labels.Spec{Name: &taken}); !errors.Is(err, errdefs.ErrExists) {
			s.t.Errorf("to a name that is taken: %v", err)
		}
		refused := errors.New("no")
		_, err = s.Change(ctx, operator, "team", mine[0].ID, labels.Spec{If: func(labels.Label) error { return refused }})
		if !errors.Is(err, refused) {
			s.t.Errorf("a condition: %v", err)
		}
		for _, wrong := range []error{
			s.Remove(ctx, operator, "team", stable.ID), s.Remove(ctx, operator, "", 7), s.Remove(ctx, operator, "absent", mine[0].ID),
		} {
			if !errors.Is(wrong, errdefs.ErrNotFound) {
				s.t.Errorf("remove what is not there: %v", wrong)
			}
		}
		s.must(s.Remove(ctx, operator, "", stable.ID))
		events, err := audit.New(s.db, auth.Judge{}).Newest(ctx, operator, 2)
		if s.must(err); events[0].Action != "label.remove" || events[0].Detail != name || events[1].Detail != "stable → released" {
			s.t.Errorf("audit %+v", events)
		}
	}, "team")
}

// TestWhatIsNoLabel refuses names, texts and colours.
func TestWhatIsNoLabel(t *testing.T) {
	t.Parallel()
	s := newSite(t, metadatatest.OpenSQLite, "team")
	text := func(v string) *string { return &v }
	for name, spec := range map[string]labels.Spec{
		"no name": {}, "an empty name": {Name: text("")}, "spaces": {Name: text(" a")}, "a line": {Name: text("a\nb")},
		"a long name":  {Name: text(strings.Repeat("ü", 129))},
		"an odd text":  {Name: text("a"), Description: text("x\x00")},
		"a long text":  {Name: text("a"), Description: text(strings.Repeat("x", 1001))},
		"a colour":     {Name: text("a"), Color: text("red")},
		"a script":     {Name: text("a"), Color: text(`"><script>`)},
		"a right turn": {Name: text("a\u202eb")},
	} {
		if _, err := s.Create(t.Context(), operator, "team", spec); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, right := range []string{strings.Repeat("ü", 128), "a/b c=d", "标记", "<b>"} {
		s.make("team", right)
	}
	if _, err := s.Create(t.Context(), operator, "absent", labels.Spec{Name: text("a")}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("of a project that is not there: %v", err)
	}
}

// TestOnArtifacts puts labels on artifacts and takes them off.
func TestOnArtifacts(t *testing.T) {
	each(t, func(s *site) {
		ctx, app := s.t.Context(), artifact("team/app", "v1")
		everywhere := s.make("", "stable")
		s.make("team", "stable")
		s.make("other", "theirs")
		s.must(s.put(app, "stable"))
		if got := s.on(app); got != "stable" {
			s.t.Errorf("of two of a name: %s", got)
		}
		s.must(s.Put(ctx, operator, app, labels.Which{Name: "stable", Global: true}))
		if got := s.on(app); got != "*stable stable" && got != "stable *stable" {
			s.t.Errorf("both: %s", got)
		}
		if err := s.Put(ctx, operator, app, labels.Which{ID: everywhere.ID}); !errors.Is(err, errdefs.ErrExists) {
			s.t.Errorf("twice: %v", err)
		}
		for what, err := range map[string]error{
			"a label of another project": s.put(app, "theirs"), "no label": s.put(app, "absent"),
			"no artifact": s.put(artifact("team/app", "absent"), "stable"), "no repository": s.put(artifact("team/absent", "v1"), "stable"),
			"what is not on it": s.Take(ctx, operator, artifact("other/app", "v1"), labels.Which{ID: everywhere.ID}),
		} {
			if !errors.Is(err, errdefs.ErrNotFound) {
				s.t.Errorf("%s: %v", what, err)
			}
		}
		if n, err := labels.Count(ctx, s.db.Querier(), everywhere.ID); err != nil || n != 1 {
			s.t.Errorf("counted %d %v", n, err)
		}
		if want := []string{"team/app " + app.Digest.String() + " " + operator.Name}; !slices.Equal(slices.Compact(s.heard), want) {
			s.t.Errorf("heard %q", s.heard)
		}
		s.must(s.Take(ctx, operator, app, labels.Which{Name: "stable"}))
		if got := s.on(app); got != "*stable" {
			s.t.Errorf("one off: %s", got)
		}
		s.must(s.Remove(ctx, operator, "", everywhere.ID))
		if got := s.on(app); got != "" {
			s.t.Errorf("the label is gone, and on it: %s", got)
		}
	}, "team", "other")
}

// TestOnlyWhoMay asks as somebody with no right, and as nobody.
func TestOnlyWhoMay(t *testing.T) {
	t.Parallel()
	s := newSite(t, metadatatest.OpenSQLite, "team")
	ctx, l, app := t.Context(), s.make("team", "mine"), artifact("team/app", "v1")
	stranger := auth.Caller{UserID: 7, Name: "ada"}
	_, _, listed := s.List(ctx, stranger, "team", labels.Query{N: 1})
	_, _, open := s.List(ctx, auth.Caller{}, "", labels.Query{N: 1})
	_, made := s.Create(ctx, stranger, "", labels.Spec{Name: &l.Name})
	_, changed := s.Change(ctx, stranger, "team", l.ID, labels.Spec{})
	for what, err := range map[string]error{
		"list": listed, "create": made, "change": changed, "remove": s.Remove(ctx, stranger, "team", l.ID),
		"put": s.Put(ctx, stranger, app, labels.Which{ID: l.ID}), "take": s.Take(ctx, stranger, app, labels.Which{ID: l.ID}),
	} {
		if !errors.Is(err, errdefs.ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !errors.Is(open, errdefs.ErrUnauthenticated) {
		t.Errorf("list as nobody: %v", open)
	}
	if _, _, err := s.List(ctx, stranger, "", labels.Query{N: 1}); err != nil {
		t.Errorf("of all projects, as anybody: %v", err)
	}
}

// TestLabelsStayForTheGrace: an artifact that comes back has its labels, and what the
// collector takes has none.
func TestLabelsStayForTheGrace(t *testing.T) {
	each(t, func(s *site) {
		s.make("", "kept")
		app := artifact("team/app", "v1")
		s.must(s.put(app, "kept"))
		remove := func() {
			s.change("team/app", func(ctx context.Context, tx *metadata.Tx, id int64) error {
				return tx.RemoveManifest(ctx, id, app.Digest, "", 0)
			})
		}
		remove()
		s.add("team/app", "v1")
		if got := s.on(app); got != "*kept" {
			s.t.Errorf("back without its label: %q", got)
		}
		remove()
		s.change("team/app", func(ctx context.Context, tx *metadata.Tx, _ int64) error {
			if _, _, err := tx.MarkDeleting(ctx, []digest.Digest{app.Digest}); err != nil {
				return err
			}
			return tx.DropBytes(ctx, []digest.Digest{app.Digest})
		})
		s.add("team/app", "v1")
		if got := s.on(app); got != "" {
			s.t.Errorf("collected and pushed anew, it has %q", got)
		}
	}, "team")
}

// TestMoves: what moves to another project keeps the labels of all, and those that the
// project has by the same name.
func TestMoves(t *testing.T) {
	each(t, func(s *site) {
		ctx, app := s.t.Context(), artifact("team/app", "v1")
		for _, l := range [][2]string{{"", "all"}, {"team", "both"}, {"team", "lost"}, {"other", "both"}} {
			s.make(l[0], l[1])
		}
		for _, name := range []string{"all", "both", "lost"} {
			s.must(s.put(app, name))
		}
		team, err := s.db.Project(ctx, "team")
		s.must(err)
		other, err := s.db.Project(ctx, "other")
		s.must(err)
		s.change("team/app", func(ctx context.Context, tx *metadata.Tx, id int64) error {
			if none, err := labels.Follow(ctx, tx, id, team.ID, team.ID); err != nil || len(none) > 0 {
				s.t.Errorf("within the project: %q %v", none, err)
			}
			lost, err := labels.Follow(ctx, tx, id, team.ID, other.ID)
			if !slices.Equal(lost, []string{"lost"}) {
				s.t.Errorf("lost %q", lost)
			}
			return err
		})
		if got := s.on(app); got != "*all both" {
			s.t.Errorf("moved: %s", got)
		}
		both, err := db.All(ctx, s.db.Querier(), db.ScanString, `SELECT p.name FROM artifact_labels a JOIN labels l ON l.id = a.label_id
			JOIN projects p ON p.id = l.project_id`)
		if s.must(err); !slices.Equal(both, []string{"other"}) {
			s.t.Errorf("of which project: %q", both)
		}
	}, "team", "other")
}

// TestAProjectTakesItsLabelsAlong: when it goes, they go.
func TestAProjectTakesItsLabelsAlong(t *testing.T) {
	each(t, func(s *site) {
		s.make("team", "mine")
		s.change("gone/app", func(context.Context, *metadata.Tx, int64) error { return nil })
		l := s.make("gone", "theirs")
		s.must(s.db.Update(s.t.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveProject(ctx, "gone", "") }))
		if _, err := s.Where(s.t.Context(), l.ID); !errors.Is(err, errdefs.ErrNotFound) {
			s.t.Errorf("a label of a project that is gone: %v", err)
		}
		mine, err := s.Usable(s.t.Context(), operator, "team")
		if s.must(err); len(mine) != 1 {
			s.t.Errorf("another's: %+v", mine)
		}
	}, "team")
}
