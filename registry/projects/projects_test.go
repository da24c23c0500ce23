package projects

import (
	"context"
	"errors"
	"slices"
	"testing"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// callers are accounts of every standing towards the project "team".
func callers(t *testing.T, db *metadata.DB, p *Projects) map[string]auth.Caller {
	t.Helper()
	all := map[string]auth.Caller{"": {}, "operator": auth.Operator()}
	must(t, p.Create(t.Context(), auth.Operator(), "team", false))
	for _, name := range []string{"stranger", "guest", "maintainer", "project-admin", "root"} {
		must(t, db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.AddUser(ctx, name, "x", name == "root") }))
		u, err := db.UserByName(t.Context(), name)
		must(t, err)
		all[name] = auth.Caller{UserID: u.ID, Name: name, Admin: u.Admin}
		if rights.OfRole(name) != nil {
			must(t, p.SetRole(t.Context(), auth.Operator(), "team", name, name))
		}
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhoMay asks for every change as every caller. Who may not is refused and
// changes nothing, and what is done has a line in the audit log.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	system := []string{"operator", "root"}
	project := append([]string{"project-admin"}, system...)
	accounts := append([]string{"stranger", "guest", "maintainer"}, project...)
	for name, tc := range map[string]struct {
		do       func(p *Projects, ctx context.Context, by auth.Caller) error
		may      []string
		everyone []string // when everyone may create projects
		logged   string
	}{
		"create": {
			func(p *Projects, ctx context.Context, by auth.Caller) error { return p.Create(ctx, by, "new", true) },
			system, accounts, "project.create",
		},
		"remove": {func(p *Projects, ctx context.Context, by auth.Caller) error { return p.Remove(ctx, by, "team") }, project, project, "project.remove"},
		"set public": {func(p *Projects, ctx context.Context, by auth.Caller) error {
			return p.SetPublic(ctx, by, "team", true)
		}, project, project, "project.public"},
		"set a role": {
			func(p *Projects, ctx context.Context, by auth.Caller) error {
				return p.SetRole(ctx, by, "team", "stranger", "guest")
			}, project, project, "member.set",
		},
		"list": {func(p *Projects, ctx context.Context, by auth.Caller) error {
			return p.List(ctx, by, func(metadata.Project) error { return nil })
		}, system, system, ""},
	} {
		for _, everyone := range []bool{false, true} {
			may := tc.may
			if everyone {
				may = tc.everyone
			}
			for _, who := range []string{"", "stranger", "guest", "maintainer", "project-admin", "root", "operator"} {
				db := metadatatest.OpenSQLite(t, nil)
				judge := auth.Judge{EveryoneCreates: everyone}
				p := New(db, judge)
				by := callers(t, db, p)[who]
				before := log(t, db, judge)
				err := tc.do(p, t.Context(), by)
				after := log(t, db, judge)
				switch allowed := slices.Contains(may, who); {
				case allowed != (err == nil):
					t.Errorf("%s as %q, everyone creates %t: %v", name, who, everyone, err)
				case !allowed && who == "" && !errors.Is(err, errdefs.ErrUnauthenticated), !allowed && who != "" && !errors.Is(err, errdefs.ErrDenied):
					t.Errorf("%s as %q: %v", name, who, err)
				case !allowed && len(after) != len(before):
					t.Errorf("%s as %q was refused and is in the log", name, who)
				case allowed && tc.logged != "" && (after[0].Action != tc.logged || after[0].Actor != by.Name):
					t.Errorf("%s as %q: logged %+v", name, who, after[0])
				}
			}
		}
	}
}

func log(t *testing.T, db *metadata.DB, judge auth.Judge) []audit.Event {
	t.Helper()
	events, err := audit.New(db, judge).Newest(t.Context(), auth.Operator(), 100)
	must(t, err)
	return events
}

// TestCreatorAdministers: who may create projects has all rights in those that
// he created, and only there.
func TestCreatorAdministers(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, nil)
	p := New(db, auth.Judge{EveryoneCreates: true})
	all := callers(t, db, p)
	by := all["stranger"]
	must(t, p.Create(t.Context(), by, "mine", false))
	if err := p.Create(t.Context(), by, "mine", true); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if err := p.Create(t.Context(), all["guest"], "mine", true); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("by another: %v", err)
	}
	must(t, p.SetRole(t.Context(), by, "mine", "guest", "project-admin"))
	must(t, p.Remove(t.Context(), all["guest"], "mine"))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, nil)
	p, op := New(db, auth.Judge{}), auth.Operator()
	callers(t, db, p)
	must(t, p.EnsureDefault(t.Context()))
	for name, tc := range map[string]struct{ err, kind error }{
		"a bad name":        {p.Create(t.Context(), op, "Team", false), errdefs.ErrInvalid},
		"a path":            {p.Create(t.Context(), op, "a/b", false), errdefs.ErrInvalid},
		"one that is there": {p.Create(t.Context(), op, "team", false), errdefs.ErrExists},
		"the default":       {p.Remove(t.Context(), op, metadata.DefaultProject), errdefs.ErrInvalid},
		"none to remove":    {p.Remove(t.Context(), op, "none"), errdefs.ErrNotFound},
		"none to show":      {p.SetPublic(t.Context(), op, "none", true), errdefs.ErrNotFound},
		"no such user":      {p.SetRole(t.Context(), op, "team", "nobody", "guest"), errdefs.ErrNotFound},
		"no such role":      {p.SetRole(t.Context(), op, "team", "guest", "king"), errdefs.ErrInvalid},
	} {
		if !errors.Is(tc.err, tc.kind) {
			t.Errorf("%s: %v, want %v", name, tc.err, tc.kind)
		}
	}
}
