package projects

import (
	"context"
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/people"
)

// TestNobodyGivesWhatHeHasNot lets a member who chooses members, by a role of his
// own, give roles: only those within his rights, and only where he has them.
func TestNobodyGivesWhatHeHasNot(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		p, op := New(db, auth.Judge{}), auth.Operator()
		must(t, p.Create(t.Context(), op, "team", false))
		host := rights.OfRole(rights.Guest).String() + " " + string(rights.SetMembers)
		must(t, db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			return errors.Join(tx.AddUser(ctx, "host", "x", false), tx.AddUser(ctx, "ann", "x", false), tx.AddGroup(ctx, "all"),
				tx.SetCustomRole(ctx, people.CustomRole{Name: "host", Rights: host}))
		}))
		u, err := db.UserByName(t.Context(), "host")
		must(t, err)
		by := auth.Caller{UserID: u.ID, Name: u.Name}
		for _, tc := range []struct {
			hosts  string // where host is one
			member Member
			want   error
		}{
			{"", Member{User: "ann", Role: "guest"}, nil},
			{"", Member{Group: "all", Role: "limited-guest"}, nil},
			{"", Member{User: "ann", Role: "guest", Repositories: "app-*"}, nil},
			{"", Member{User: "ann", Role: "host"}, nil},
			{"", Member{User: "ann", Role: "developer"}, errdefs.ErrDenied},
			{"", Member{User: "host", Role: "project-admin"}, errdefs.ErrDenied},
			{"", Member{User: "ann", Role: "developer", Repositories: "app"}, errdefs.ErrDenied},
			{"", Member{User: "ann", Role: "auditor"}, errdefs.ErrInvalid},
			{"", Member{User: "ann", Role: "none"}, nil},
			{"app-*", Member{User: "ann", Role: "guest", Repositories: "app-*"}, errdefs.ErrDenied}, // it takes all of the project to choose members
		} {
			must(t, p.SetRole(t.Context(), op, "team", "host", NoRole))
			must(t, p.SetMember(t.Context(), op, "team", Member{User: "host", Role: "host", Repositories: tc.hosts}))
			if err := p.SetMember(t.Context(), by, "team", tc.member); !errors.Is(err, tc.want) {
				t.Errorf("%+v, by a host of %q: %v, want %v", tc.member, tc.hosts, err, tc.want)
			}
		}
	})
}
