package accounts

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/identity"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestPasswordLinks: a link works once, for a time, and ends when another way was found.
func TestPasswordLinks(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		now := time.Now()
		db := open(t, func() time.Time { return now })
		a := New(nil, db, passhash.NewHasher(2), auth.Judge{})
		ctx, op := t.Context(), auth.Operator()
		must(t, a.Add(ctx, op, "ann", password, false))
		_, err := a.SignedIn(ctx, identity.Person{Name: "far", Source: identity.LDAP, Subject: "cn=far"})
		must(t, err)
		link := func() PasswordLink {
			t.Helper()
			l, err := a.LinkPassword(ctx, op, "ann", 0)
			must(t, err)
			return l
		}
		gone := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		follow := func(token, password string) error { _, err := a.FollowLink(ctx, token, password, now); return err }

		first := link()
		if name, err := a.WhoseLink(ctx, first.Token, now); err != nil || name != "ann" || first.Until.Sub(now).Round(time.Second) != LinkLife {
			t.Errorf("a link of %q until %v: %v", name, first.Until, err)
		}
		next := link()
		gone("one that another took the place of", follow(first.Token, "new password"))
		if err := follow(next.Token, "short"); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("a short password: %v", err)
		}
		epoch := func() int64 {
			t.Helper()
			u, err := db.UserByName(ctx, "ann")
			must(t, err)
			return u.Epoch
		}
		before := epoch()
		must(t, follow(next.Token, "new password"))
		if epoch() == before {
			t.Error("sessions and tokens of before go on")
		}
		gone("a second time", follow(next.Token, "another password"))

		late := link()
		now = now.Add(LinkLife)
		gone("one that is over", follow(late.Token, "new password"))
		changed := link()
		must(t, a.SetPassword(ctx, op, "ann", "third password"))
		gone("after the password was changed", follow(changed.Token, "new password"))
		ended := link()
		must(t, a.UnlinkPassword(ctx, op, "ann"))
		gone("one that was ended", follow(ended.Token, "new password"))
		gone("nothing to end", a.UnlinkPassword(ctx, op, "ann"))
		for _, token := range []string{"", "x", strings.ToLower(link().Token)} {
			gone("token "+token, follow(token, "new password"))
		}

		for what, err := range map[string]error{
			"too short": func() error { _, err := a.LinkPassword(ctx, op, "ann", time.Second); return err }(),
			"too long":  func() error { _, err := a.LinkPassword(ctx, op, "ann", 31*24*time.Hour); return err }(),
		} {
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := a.LinkPassword(ctx, op, "far", 0); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("whose password is elsewhere: %v", err)
		}
		_, err = a.LinkPassword(ctx, op, "nobody", 0)
		gone("who is not there", err)
		if _, err := a.LinkPassword(ctx, auth.Caller{Name: "ann"}, "ann", 0); err == nil {
			t.Error("a user makes a link himself")
		}
		must(t, a.Remove(ctx, op, "ann"))
	})
}

// TestLinksWorkOnce: of those who follow one link together, one sets the password.
func TestLinksWorkOnce(t *testing.T) {
	t.Parallel()
	a, _, _ := open(t)
	must(t, a.Add(t.Context(), auth.Operator(), "ann", password, false))
	l, err := a.LinkPassword(t.Context(), auth.Operator(), "ann", time.Hour)
	must(t, err)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = a.FollowLink(t.Context(), l.Token, "new password", time.Now()) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, errdefs.ErrNotFound) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d set the password by one link", won)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	a, db, _ := open(t)
	ctx := t.Context()
	must(t, a.Register(ctx, "ann", password, false))
	must(t, a.Register(ctx, "bob", password, true))
	must(t, a.Register(ctx, "ann", "another password", true)) // which is not told
	for name, disabled := range map[string]bool{"ann": false, "bob": true} {
		u, err := db.UserByName(ctx, name)
		must(t, err)
		if right, err := a.hasher.Verify(ctx, u.PasswordHash, password); u.Disabled != disabled || u.Admin || !right || err != nil {
			t.Errorf("%+v, %v", u, err)
		}
	}
	for name, text := range map[string]string{"robot$x": password, "": password, "eve": "short"} {
		if err := a.Register(ctx, name, text, false); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q with %q: %v", name, text, err)
		}
	}
}
