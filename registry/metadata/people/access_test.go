package people_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/people"
)

// TestMembersInOrder lists the members of a project page by page: users and groups by name, with each of their
// repositories, and no robots; also those that a server of the version before wrote.
func TestMembersInOrder(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		const project = 7
		err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			errs := []error{
				tx.AddUser(ctx, "bob", "x", false), tx.AddUser(ctx, "anne", "x", true), tx.AddUser(ctx, "Zoe", "x", false),
				tx.AddGroup(ctx, "ops"), tx.AddGroup(ctx, "bob-and-others"),
			}
			_, err := tx.AddAccount(ctx, people.User{Name: "ci", Kind: "robot", ProjectID: project})
			return errors.Join(append(errs, err)...)
		})
		if err != nil {
			t.Fatal(err)
		}
		give := func(user, group, repositories, role string) {
			t.Helper()
			err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				row := people.Membership{Grant: people.Grant{ProjectID: project, Repositories: repositories, Role: role}, Matching: "%"}
				if err := tx.Subject(ctx, user, group, &row); err != nil {
					return err
				}
				return tx.SetMembership(ctx, row)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		give("bob", "", "*", "guest")
		give("bob", "", "web-*", "developer")
		give("", "ops", "*", "maintainer")
		give("", "bob-and-others", "*", "guest")
		give("anne", "", "*", "guest")
		give("anne", "", "*", "developer") // in the place of the other
		give("ci", "", "*", "developer")
		give("Zoe", "", "*", "guest")
		want := []string{
			"Zoe * guest user false", "anne * developer user true", "bob * guest user false", "bob web-* developer user false",
			"bob-and-others * guest group false", "ops * maintainer group false",
		}
		pages := func(what string) {
			t.Helper()
			for n := 1; n <= len(want)+1; n++ {
				var got []string
				last := ""
				for {
					page, err := m.Members(t.Context(), project, last, n)
					if err != nil || len(page) > n {
						t.Fatalf("%s: %v, %v", what, page, err)
					}
					for _, one := range page {
						got = append(got, fmt.Sprint(one.Name, " ", one.Repositories, " ", one.Role, " ", one.Kind, " ", one.Admin))
						last = one.Cursor()
					}
					if len(page) < n {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, %d a page:\n%q\nwant\n%q", what, n, got, want)
				}
			}
		}
		pages("as they are written")
		if none, err := m.Members(t.Context(), project+1, "", 10); err != nil || len(none) != 0 {
			t.Errorf("another project: %v, %v", none, err)
		}
		for _, before := range []string{"repositories = 'web-*'", "role = 'guest'", "1 = 1"} {
			err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				_, err := tx.Tx.Exec(ctx, "UPDATE memberships SET listed = NULL WHERE "+before)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			pages("of the version before: " + before)
		}
	})
}
