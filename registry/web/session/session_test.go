package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/web/session"
)

// clock is a time that tests move.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time        { return time.UnixMicro(c.micros.Load()) }
func (c *clock) pass(by time.Duration) { c.micros.Add(by.Microseconds()) }

type fixture struct {
	*testing.T
	clock *clock
	db    *metadata.DB
	store *session.Store
	user  metadata.User
}

// each runs a test on either database, with an account and a clock.
func each(t *testing.T, test func(f fixture)) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		c := &clock{}
		c.micros.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro())
		f := fixture{T: t, clock: c, db: open(t, c.now)}
		err := f.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.AddUser(ctx, "ada", "hash", true) })
		if err == nil {
			f.user, err = f.db.UserByName(t.Context(), "ada")
		}
		if err != nil {
			t.Fatal(err)
		}
		f.store = session.New(session.Config{DB: f.db, Idle: time.Hour, Life: 3 * time.Hour})
		test(f)
	})
}

func (f fixture) begin() string {
	f.Helper()
	token, err := f.store.Begin(f.Context(), f.user, session.Origin{Address: "192.0.2.1", Agent: strings.Repeat("x", 1000)})
	if err != nil {
		f.Fatal(err)
	}
	return token
}

// alive says whether a session can be used.
func (f fixture) alive(token string) bool {
	f.Helper()
	s, err := f.store.Find(f.Context(), token, f.clock.now())
	if err != nil && !errors.Is(err, errdefs.ErrUnauthenticated) {
		f.Fatal(err)
	}
	if err == nil && (s.Caller.Name != "ada" || !s.Caller.Admin || s.Caller.UserID != f.user.ID) {
		f.Errorf("the session is of %+v", s.Caller)
	}
	return err == nil
}

func TestSession(t *testing.T) {
	each(t, func(f fixture) {
		token := f.begin()
		if !f.alive(token) || f.alive("") || f.alive(token+"x") {
			f.Error("a session is known by its token, and by nothing else")
		}
		by := auth.Caller{UserID: f.user.ID, Name: "ada"}
		list, err := f.store.List(f.Context(), by, f.clock.now())
		if err != nil || len(list) != 1 || list[0].Origin.Address != "192.0.2.1" || len(list[0].Origin.Agent) != 200 || !list[0].Is(token) {
			f.Errorf("%+v %v", list, err)
		}
		if strings.Contains(fmt.Sprint(list), token) {
			f.Error("a list holds what a cookie holds")
		}
		if err := f.store.End(f.Context(), by, token); err != nil || f.alive(token) {
			f.Errorf("after its end: %v", err)
		}
		if err := f.store.End(f.Context(), by, token); err != nil {
			f.Errorf("ended twice: %v", err)
		}
	})
}

func TestSessionsExpire(t *testing.T) {
	each(t, func(f fixture) {
		token := f.begin()
		for range 5 { // used, it lives on
			f.clock.pass(30 * time.Minute)
			if !f.alive(token) {
				f.Fatal("a session in use has ended")
			}
		}
		f.clock.pass(31 * time.Minute)
		if f.alive(token) {
			f.Error("a session outlives its life")
		}
		token = f.begin()
		f.clock.pass(time.Hour)
		if f.alive(token) {
			f.Error("a session outlives its idleness")
		}
		f.begin() // sweeps
		var left int
		if err := f.db.Querier().Row(f.Context(), "SELECT COUNT(*) FROM sessions").Scan(&left); err != nil || left != 1 {
			f.Errorf("%d rows are left: %v", left, err)
		}
	})
}

func TestWhatEndsSessions(t *testing.T) {
	each(t, func(f fixture) {
		by := auth.Caller{UserID: f.user.ID, Name: "ada"}
		mine, other := f.begin(), f.begin()
		if err := f.store.EndOthers(f.Context(), by, mine); err != nil || !f.alive(mine) || f.alive(other) {
			f.Errorf("ending the others: %v", err)
		}
		err := f.db.Update(f.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.SetPassword(ctx, "ada", "new") })
		if err != nil || f.alive(mine) {
			f.Errorf("a session outlives a password: %v", err)
		}
		if f.user, err = f.db.UserByName(f.Context(), "ada"); err != nil {
			f.Fatal(err)
		}
		mine = f.begin()
		err = f.db.Update(f.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			if err := tx.AddUser(ctx, "root", "hash", true); err != nil {
				return err
			}
			return tx.RemoveUser(ctx, "ada")
		})
		if err != nil || f.alive(mine) {
			f.Errorf("a session outlives its account: %v", err)
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	each(t, func(f fixture) {
		first := f.begin()
		for range 50 {
			f.clock.pass(time.Second)
			f.begin()
		}
		list, err := f.store.List(f.Context(), auth.Caller{UserID: f.user.ID}, f.clock.now())
		if err != nil || len(list) != 50 || f.alive(first) {
			f.Errorf("%d sessions, the first alive: %v, %v", len(list), f.alive(first), err)
		}
	})
}
