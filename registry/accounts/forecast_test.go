package accounts

import (
	"strings"
	"testing"

	"cove/registry/auth"
	"cove/registry/identity"
	"cove/registry/projects"
)

// TestForecast says what sign-ins would lead to, and makes nothing.
func TestForecast(t *testing.T) {
	t.Parallel()
	a, db, _ := open(t)
	ctx, op := t.Context(), auth.Operator()
	services := projects.New(db, auth.Judge{})
	must(t, services.Create(ctx, op, "team", false))
	must(t, a.AddGroup(ctx, op, "dev"))
	must(t, a.AddGroup(ctx, op, "idle"))
	must(t, services.SetMember(ctx, op, "team", projects.Member{Group: "dev", Role: "developer"}))
	must(t, a.Add(ctx, op, "local", password, false))
	yes := true
	ada := identity.Person{Source: identity.OIDC, Subject: "s 1", Name: "ada", Admin: &yes, Groups: []string{"dev", "idle", "elsewhere"}}
	f, err := a.Forecast(ctx, op, ada)
	if err != nil || f.Known || f.Refused != nil || !f.User.Admin || f.User.Name != "ada" || len(f.Groups) != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	if g := f.Groups[0]; !g.Known || len(g.Roles) != 1 || g.Roles[0].Project != "team" || g.Roles[0].Role != "developer" {
		t.Errorf("the group dev: %+v", g)
	}
	if !f.Groups[1].Known || f.Groups[2].Known {
		t.Errorf("groups that have nothing, and that are not here: %+v", f.Groups[1:])
	}
	for name, want := range map[string]string{"local": "another's account", "no name!": "use up to 64 letters"} {
		f, err := a.Forecast(ctx, op, identity.Person{Source: identity.OIDC, Subject: "s 2", Name: name})
		if err != nil || f.Refused == nil || !strings.Contains(f.Refused.Error(), want) {
			t.Errorf("%s: %v, %v", name, f.Refused, err)
		}
	}
	u, err := a.SignedIn(ctx, identity.Person{Source: identity.OIDC, Subject: "s 1", Name: "ada"})
	must(t, err)
	must(t, services.SetMember(ctx, op, "team", projects.Member{User: "ada", Role: "guest"}))
	if f, err := a.Forecast(ctx, op, ada); err != nil || !f.Known || f.User.ID != u.ID || len(f.Own) != 1 || f.Own[0].Role != "guest" {
		t.Errorf("who is known: %+v, %v", f, err)
	}
	_, err = a.Change(ctx, op, "ada", Change{Disabled: &yes})
	must(t, err)
	if f, err := a.Forecast(ctx, op, ada); err != nil || f.Refused == nil {
		t.Errorf("who is disabled: %+v, %v", f, err)
	}
	if _, err := a.Forecast(ctx, auth.Caller{Name: "local"}, ada); err == nil {
		t.Error("a user is told what others would have")
	}
}
