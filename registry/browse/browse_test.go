package browse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/browse"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/people"
)

// place is a database with a project that is open, one that is closed, and users:
// ada is a member of the closed one, bob of none.
type place struct {
	*testing.T
	db       *metadata.DB
	b        *browse.Browser
	ada, bob auth.Caller
	now      time.Time
}

func (p *place) update(fn func(ctx context.Context, tx *metadata.Tx) error) {
	p.Helper()
	p.now = p.now.Add(time.Second)
	if err := p.db.Update(p.Context(), fn); err != nil {
		p.Fatal(err)
	}
}

func each(t *testing.T, test func(p *place)) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		p := &place{T: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		p.db = open(t, func() time.Time { return p.now })
		p.b = browse.New(p.db, nil, auth.Judge{})
		p.update(func(ctx context.Context, tx *metadata.Tx) error {
			return errors.Join(tx.AddUser(ctx, "ada", "", false), tx.AddUser(ctx, "bob", "", false))
		})
		p.ada, p.bob = p.user("ada"), p.user("bob")
		p.update(func(ctx context.Context, tx *metadata.Tx) error {
			opened, _, err := tx.CreateProject(ctx, "open", "")
			if err != nil {
				return err
			}
			closed, _, err := tx.CreateProject(ctx, "closed", "")
			if err != nil {
				return err
			}
			return errors.Join(tx.SetPublic(ctx, opened.ID, true), tx.SetRole(ctx, closed.ID, p.ada.UserID, rights.Guest))
		})
		test(p)
	})
}

func (p *place) user(name string) auth.Caller {
	p.Helper()
	u, err := p.db.UserByName(p.Context(), name)
	if err != nil {
		p.Fatal(err)
	}
	return auth.Caller{UserID: u.ID, Name: u.Name}
}

// push records an image of a layer of 1000 bytes, or an index of others.
func (p *place) push(repo, text string, children []digest.Digest, tags ...string) digest.Digest {
	p.Helper()
	m := metadata.Manifest{Descriptor: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(text), Size: 100,
	}}
	for _, child := range children {
		m.Children = append(m.Children, ocispec.Descriptor{Digest: child, Size: 100})
		m.Descriptor.MediaType = ocispec.MediaTypeImageIndex
	}
	if children == nil {
		m.Blobs = []ocispec.Descriptor{{Digest: digest.FromString("layer of " + text), Size: 1000}}
	}
	p.update(func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		for _, blob := range m.Blobs {
			err = errors.Join(err, tx.AddBytes(ctx, blob.Digest, blob.Size), tx.AddBlob(ctx, id, blob.Digest, p.now))
		}
		err = errors.Join(err, tx.AddBytes(ctx, m.Descriptor.Digest, 100), tx.AddManifest(ctx, id, m, "ada"))
		for _, tag := range tags {
			err = errors.Join(err, tx.SetTag(ctx, id, tag, m.Descriptor.Digest, "ada"))
		}
		return err
	})
	return m.Descriptor.Digest
}

func names[T any](list []T, name func(T) string) (all []string) {
	for _, v := range list {
		all = append(all, name(v))
	}
	return all
}

func TestProjectsAndRepositories(t *testing.T) {
	each(t, func(p *place) {
		p.push("open/app", "a", nil, "v1")
		for i := range 4 {
			p.push(fmt.Sprintf("closed/app%d", i), fmt.Sprint("c", i), nil, "v1", "v2")
		}
		projectName := func(x browse.Project) string {
			return fmt.Sprintf("%s %v %s %d", x.Name, x.Public, x.Role, x.Repositories)
		}
		for name, tc := range map[string]struct {
			by   auth.Caller
			want []string
		}{
			"visitor":       {auth.Caller{}, []string{"open true  1"}},
			"no member":     {p.bob, []string{"open true  1"}},
			"member":        {p.ada, []string{"closed false guest 4", "open true  1"}},
			"administrator": {auth.Operator(), []string{"closed false  4", "open true  1"}},
		} {
			got, more, err := p.b.Projects(p.Context(), tc.by, browse.Query{N: 10})
			if err != nil || more || !slices.Equal(names(got, projectName), tc.want) {
				p.Errorf("%s: %v %v %v", name, got, more, err)
			}
		}
		if got, more, err := p.b.Projects(p.Context(), p.ada, browse.Query{Match: "LO", N: 1}); err != nil || more || len(got) != 1 {
			p.Errorf("filter: %v %v %v", got, more, err)
		}
		repoName := func(x browse.Repository) string { return fmt.Sprintf("%s %d %d", x.Short(), x.Tags, x.Artifacts) }
		got, more, err := p.b.Repositories(p.Context(), p.ada, "closed", browse.Query{Last: "closed/app0", N: 2})
		if err != nil || !more || !slices.Equal(names(got, repoName), []string{"app1 2 1", "app2 2 1"}) || got[0].PushedAt.IsZero() {
			p.Errorf("repositories: %v %v %v", got, more, err)
		}
		for _, by := range []auth.Caller{p.bob, {}} {
			_, _, err := p.b.Repositories(p.Context(), by, "closed", browse.Query{N: 2})
			_, one := p.b.Project(p.Context(), by, "closed")
			_, tags := p.b.CountTags(p.Context(), by, "closed/app0")
			for _, err := range []error{err, one, tags} {
				if !errors.Is(err, errdefs.ErrDenied) && !errors.Is(err, errdefs.ErrUnauthenticated) {
					p.Errorf("%q reads a closed project: %v", by.Name, err)
				}
			}
		}
		if _, err := p.b.Project(p.Context(), auth.Operator(), "absent"); !errors.Is(err, errdefs.ErrNotFound) {
			p.Errorf("absent: %v", err)
		}
		members, err := p.b.Members(p.Context(), auth.Operator(), "closed")
		if err != nil || len(members) != 1 || members[0].Name != "ada" || members[0].Role != rights.Guest {
			p.Errorf("members: %v %v", members, err)
		}
		if _, err := p.b.Members(p.Context(), p.bob, "closed"); !errors.Is(err, errdefs.ErrDenied) {
			p.Errorf("a stranger lists the members: %v", err)
		}
	})
}

// TestNarrowedMember gives bob, by a group, one repository of a closed project: he
// sees it and no other, by every list.
func TestNarrowedMember(t *testing.T) {
	each(t, func(p *place) {
		for _, repo := range []string{"app", "app-web", "web"} {
			p.push("closed/"+repo, "a"+repo, nil, "v1")
		}
		err := p.db.Update(p.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			of, err := tx.Project(ctx, "closed")
			m := people.Membership{Matching: rights.Like("*-web")}
			m.ProjectID, m.Role, m.Repositories = of.ID, rights.Developer, "*-web"
			return errors.Join(err, tx.AddGroup(ctx, "web"), tx.Subject(ctx, "", "web", &m), tx.SetMembership(ctx, m),
				tx.PutInGroup(ctx, m.GroupID, p.bob.UserID, ""))
		})
		if err != nil {
			p.Fatal(err)
		}
		list, _, err := p.b.Repositories(p.Context(), p.bob, "closed", browse.Query{N: 9})
		if err != nil || len(list) != 1 || list[0].Name != "closed/app-web" {
			p.Errorf("repositories: %v, %v", list, err)
		}
		if found, err := p.b.Search(p.Context(), p.bob, "web", 9); err != nil || !slices.Equal(found.Repositories, []string{"closed/app-web"}) {
			p.Errorf("search: %v, %v", found, err)
		}
		if names, err := p.db.Repositories(p.Context(), p.bob.Viewer(), "", 9); err != nil || !slices.Equal(names, []string{"closed/app-web"}) {
			p.Errorf("catalog: %v, %v", names, err)
		}
		for repo, want := range map[string]error{"app-web": nil, "app": errdefs.ErrDenied, "web": errdefs.ErrDenied} {
			if _, err := p.b.CountTags(p.Context(), p.bob, "closed/"+repo); !errors.Is(err, want) {
				p.Errorf("tags of %s: %v, want %v", repo, err, want)
			}
		}
		if p.b.May(p.Context(), p.bob, auth.SetMembers, "closed") || !p.b.May(p.Context(), p.bob, auth.Push, "closed/app-web") ||
			p.b.May(p.Context(), p.bob, auth.Push, "closed") {
			p.Error("he may more or less than push there")
		}
	})
}

func TestTags(t *testing.T) {
	each(t, func(p *place) {
		one := p.push("open/app", "one", nil, "a", "b")
		two := p.push("open/app", "two", nil, "Z_1")
		p.push("open/app", "index", []digest.Digest{one, two}, "multi")
		p.push("open/app", "untagged", nil)
		tagName := func(x browse.Tag) string { return fmt.Sprintf("%s %d %d", x.Name, x.Size, x.Platforms) }
		for _, tc := range []struct {
			q    browse.TagQuery
			want []string
			more bool
		}{
			{browse.TagQuery{Query: browse.Query{N: 9}}, []string{"multi 2000 2", "Z_1 1000 0", "b 1000 0", "a 1000 0"}, false},
			{browse.TagQuery{Query: browse.Query{N: 3}}, []string{"multi 2000 2", "Z_1 1000 0", "b 1000 0"}, true},
			{browse.TagQuery{Query: browse.Query{N: 2}, Order: browse.ByName}, []string{"Z_1 1000 0", "a 1000 0"}, true},
			{browse.TagQuery{Query: browse.Query{N: 9, Match: "z_"}}, []string{"Z_1 1000 0"}, false},
			{browse.TagQuery{Query: browse.Query{N: 9, Match: "_"}}, []string{"Z_1 1000 0"}, false},
			{browse.TagQuery{Query: browse.Query{N: 9, Match: "%"}}, nil, false},
		} {
			got, more, err := p.b.Tags(p.Context(), auth.Caller{}, "open/app", tc.q)
			if err != nil || more != tc.more || !slices.Equal(names(got, tagName), tc.want) {
				p.Errorf("%+v: %v %v %v", tc.q, names(got, tagName), more, err)
			}
			if more && tc.q.Order != browse.ByName {
				tc.q.Last = got[len(got)-1].Cursor()
				if rest, more, err := p.b.Tags(p.Context(), auth.Caller{}, "open/app", tc.q); err != nil || more || len(rest) != 1 || rest[0].Name != "a" {
					p.Errorf("the next page: %v %v %v", rest, more, err)
				}
			}
		}
		if n, err := p.b.CountTags(p.Context(), p.bob, "open/app"); err != nil || n != 4 {
			p.Errorf("%d tags: %v", n, err)
		}
		untagged, err := p.b.Untagged(p.Context(), p.bob, "open/app", 5)
		if err != nil || len(untagged) != 1 || untagged[0].Digest != digest.FromString("untagged") || untagged[0].Size != 1000 {
			p.Errorf("untagged: %v %v", untagged, err)
		}
	})
}

func TestDeletedTags(t *testing.T) {
	each(t, func(p *place) {
		dgst := p.push("open/app", "one", nil, "a", "b", "c")
		before, err := p.b.TagHistory(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		for tag, by := range map[string]string{"a": "ada", "b": "ada", "c": "bob"} {
			p.update(func(ctx context.Context, tx *metadata.Tx) error {
				id, err := tx.Repository(ctx, "open/app")
				if err != nil {
					return err
				}
				return tx.RemoveTag(ctx, id, tag, by)
			})
		}
		after, err := p.b.TagHistory(p.Context())
		if err != nil || after <= before {
			p.Fatal(before, after, err)
		}
		p.push("open/app", "one", nil, "b") // named again
		got, err := p.b.DeletedTags(p.Context(), p.ada, "open/app", browse.Range{After: before, Until: after, N: 9})
		if err != nil || len(got) != 1 || !slices.Equal(got[dgst], []string{"a"}) {
			p.Errorf("%v %v", got, err)
		}
	})
}

func TestSearch(t *testing.T) {
	each(t, func(p *place) {
		dgst := p.push("open/web", "one", nil, "v1", "V2")
		p.push("closed/web", "two", nil, "v1")
		for text, want := range map[string]string{
			"WEB":                      "[] [open/web] []",
			"open":                     "[open] [open/web] []",
			"web:v":                    "[] [] [open/web:V2 open/web:v1]",
			dgst.String():              "[] [] [open/web@" + dgst.String() + "]",
			dgst.Encoded()[:9]:         "[] [] [open/web@" + dgst.String() + "]",
			"%":                        "[] [] []",
			" ":                        "[] [] []",
			strings.Repeat("x", 10000): "[] [] []",
		} {
			f, err := p.b.Search(p.Context(), p.bob, text, 5)
			if got := fmt.Sprint(f.Projects, f.Repositories, f.Artifacts); err != nil || got != want {
				p.Errorf("%.20q: %s, want %s (%v)", text, got, want, err)
			}
		}
		if f, err := p.b.Search(p.Context(), p.ada, "web", 5); err != nil || len(f.Repositories) != 2 || f.None() {
			p.Errorf("a member: %v %v", f, err)
		}
	})
}

// TestListsUseIndexes explains the statements on SQLite: none reads a table
// through. Names are searched in the order of an index, until a page is full.
func TestListsUseIndexes(t *testing.T) {
	t.Parallel()
	m := metadatatest.OpenSQLite(t, time.Now)
	b := browse.New(m, nil, auth.Judge{})
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.EnsureRepository(ctx, "p/r", metadata.Creator{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, by, q := t.Context(), auth.Operator(), browse.Query{N: 1}
	_, _, _ = b.Projects(ctx, by, q)
	_, _ = b.Project(ctx, by, "p")
	_, _, _ = b.Repositories(ctx, by, "p", q)
	_, _ = b.Members(ctx, by, "p")
	_, _, _ = b.Tags(ctx, by, "p/r", browse.TagQuery{Query: q})
	_, _, _ = b.Tags(ctx, by, "p/r", browse.TagQuery{Query: q, Order: browse.ByName})
	_, _, _ = b.Tags(ctx, by, "p/r", browse.TagQuery{Query: q, Label: "kept"})
	_, _, _ = b.Tags(ctx, by, "p/r", browse.TagQuery{Query: q, Order: browse.ByName, Label: "kept"})
	_, _ = b.CountTags(ctx, by, "p/r")
	_, _ = b.Untagged(ctx, by, "p/r", 1)
	_, _ = b.TagHistory(ctx)
	_, _ = b.DeletedTags(ctx, by, "p/r", browse.Range{N: 1})
	for _, text := range []string{"name", "name:tag", "abcdef0"} {
		_, _ = b.Search(ctx, by, text, 1)
	}
	statements := m.Querier().(interface{ Statements() []string }).Statements()
	// subqueries that end at a number of rows, and one row
	small := []string{"counted", "chosen", "tagged", "held", "here", "x", "CONSTANT ROW"}
	// read until a page is full, to see whether there is one, or to be counted
	whole := []string{"manifests_newest", "SEARCH x USING COVERING INDEX", "SEARCH t USING COVERING INDEX", "SEARCH tags USING COVERING INDEX"}
	checked := 0
	for _, stmt := range statements {
		if !strings.HasPrefix(strings.TrimSpace(stmt), "SELECT") {
			continue
		}
		checked++
		for _, step := range explain(t, m, stmt) {
			of, scans := strings.CutPrefix(step, "SCAN ")
			if scans && !strings.Contains(of, "USING") && !slices.Contains(small, of) {
				t.Errorf("%s\n  %s", stmt, step)
			}
			if strings.HasSuffix(step, "(repository_id=?)") && !slices.ContainsFunc(whole, func(name string) bool { return strings.Contains(step, name) }) {
				t.Errorf("%s\n  %s reads all of a repository", stmt, step)
			}
		}
	}
	if checked < 12 {
		t.Errorf("only %d statements were looked at", checked)
	}
}

func explain(t *testing.T, m *metadata.DB, stmt string) []string {
	t.Helper()
	n := 0
	for strings.Contains(stmt, fmt.Sprint("$", n+1)) {
		n++
	}
	args := make([]any, n) // the planner looks at none
	for i := range args {
		args[i] = 0
	}
	steps, err := db.All(t.Context(), m.Querier(), func(s db.Scanner) (detail string, err error) {
		var id, parent, unused int
		err = s.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}, "EXPLAIN QUERY PLAN "+stmt, args...)
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
	return steps
}
