package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
)

const (
	// seenEvery bounds how often a session in use is written.
	seenEvery = time.Minute
	// maxPerUser bounds the sessions of one account; the oldest ends.
	maxPerUser = 50
	// maxAgent bounds what is kept of a browser's name for itself.
	maxAgent = 200
)

// Config is what a Store needs.
type Config struct {
	DB *metadata.DB
	// Idle ends a session that is not used; 0 is two hours.
	Idle time.Duration
	// Life ends every session, used or not; 0 is twelve hours.
	Life time.Duration
}

// Store keeps the sessions. It is safe for concurrent use.
type Store struct {
	db         *metadata.DB
	idle, life time.Duration
}

// New returns the Store of a database.
func New(cfg Config) *Store {
	s := &Store{db: cfg.DB, idle: cfg.Idle, life: cfg.Life}
	if s.idle <= 0 {
		s.idle = 2 * time.Hour
	}
	if s.life <= 0 {
		s.life = 12 * time.Hour
	}
	return s
}

// Origin is where a sign-in came from.
type Origin struct {
	Address string
	Agent   string // User-Agent
}

// Session is one sign-in.
type Session struct {
	ID      string // of the row; no secret
	Caller  auth.Caller
	Origin  Origin
	Since   time.Time
	Seen    time.Time // to the minute
	Expires time.Time // unless it is used before
}

// hashed is the row's id for the token of a cookie.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Begin signs a user in, whose password the caller has checked, and returns what
// the cookie is to hold. It also forgets what has expired.
func (s *Store) Begin(ctx context.Context, u metadata.User, from Origin) (token string, err error) {
	token = rand.Text() + rand.Text() // 260 bits
	if len(from.Agent) > maxAgent {
		from.Agent = from.Agent[:maxAgent]
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		q, now, ends := tx.Querier(), db.Micros(tx.Now()), db.Micros(s.expiry(tx.Now(), tx.Now()))
		for _, step := range []struct {
			stmt string
			args []any
		}{
			{"DELETE FROM sessions WHERE expires_at <= $1", []any{now}},
			{
				`DELETE FROM sessions WHERE user_id = $1 AND created_at <=
				(SELECT created_at FROM sessions WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1 OFFSET $2)`,
				[]any{u.ID, maxPerUser - 1},
			},
			{
				`INSERT INTO sessions (id, user_id, epoch, address, agent, created_at, seen_at, expires_at)
				VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
				[]any{hashed(token), u.ID, u.Epoch, from.Address, from.Agent, now, ends},
			},
		} {
			if _, err := q.Exec(ctx, step.stmt, step.args...); err != nil {
				return db.Unavailable(err)
			}
		}
		by := auth.Caller{UserID: u.ID, Name: u.Name, Admin: u.Admin}
		return audit.Record(ctx, tx, by, audit.Change{Action: "session.begin", Object: u.Name, Detail: from.Address})
	})
	return token, err
}

// expiry is when a session ends that began and was used at these times.
func (s *Store) expiry(began, used time.Time) time.Time {
	if end := began.Add(s.life); end.Before(used.Add(s.idle)) {
		return end
	}
	return used.Add(s.idle)
}

const selectSession = `SELECT s.id, s.address, s.agent, s.created_at, s.seen_at, s.expires_at, u.id, u.name, u.admin
	FROM sessions s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch `

func scan(row db.Scanner) (s Session, err error) {
	var since, seen, expires, admin int64
	err = row.Scan(&s.ID, &s.Origin.Address, &s.Origin.Agent, &since, &seen, &expires, &s.Caller.UserID, &s.Caller.Name,
		&admin)
	s.Since, s.Seen, s.Expires = time.UnixMicro(since), time.UnixMicro(seen), time.UnixMicro(expires)
	s.Caller.Admin = admin != 0
	return s, err
}

// Peek returns the session of a cookie's token. One that has ended is
// errdefs.ErrUnauthenticated.
func (s *Store) Peek(ctx context.Context, token string, now time.Time) (Session, error) {
	found, err := scan(s.db.Querier().Row(ctx, selectSession+"WHERE s.id = $1 AND s.expires_at > $2", hashed(token),
		db.Micros(now)))
	if errors.Is(db.NotFound(err, "no session"), errdefs.ErrNotFound) {
		return Session{}, errdefs.Errorf(errdefs.ErrUnauthenticated, "the session has ended; sign in again")
	}
	return found, db.Unavailable(err)
}

// Find is Peek of somebody who uses the session, which it notes.
func (s *Store) Find(ctx context.Context, token string, now time.Time) (Session, error) {
	found, err := s.Peek(ctx, token, now)
	if err != nil || now.Sub(found.Seen) < seenEvery {
		return found, err
	}
	found.Seen, found.Expires = now, s.expiry(found.Since, now)
	err = s.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Querier().Exec(ctx, "UPDATE sessions SET seen_at = $2, expires_at = $3 WHERE id = $1", found.ID,
			db.Micros(found.Seen), db.Micros(found.Expires))
		return db.Unavailable(err)
	})
	if errors.Is(err, errdefs.ErrExhausted) {
		err = nil // the disk is full: the session ends earlier
	}
	return found, err
}

// End signs out the session of a cookie's token. One that has ended is no error.
func (s *Store) End(ctx context.Context, by auth.Caller, token string) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		ended, err := tx.Querier().Exec(ctx, "DELETE FROM sessions WHERE id = $1", hashed(token))
		if err != nil || ended == 0 {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "session.end", Object: by.Name})
	})
}

// EndOthers signs out all sessions of a user but that of a cookie's token.
func (s *Store) EndOthers(ctx context.Context, by auth.Caller, token string) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		ended, err := tx.Querier().Exec(ctx, "DELETE FROM sessions WHERE user_id = $1 AND id <> $2", by.UserID,
			hashed(token))
		if err != nil || ended == 0 {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "session.end-others", Object: by.Name})
	})
}

// List returns the live sessions of a user, the newest first.
func (s *Store) List(ctx context.Context, by auth.Caller, now time.Time) ([]Session, error) {
	return db.All(ctx, s.db.Querier(), scan,
		selectSession+"WHERE s.user_id = $1 AND s.expires_at > $2 ORDER BY s.created_at DESC", by.UserID, db.Micros(now))
}

// Is says whether the session is that of a cookie's token.
func (s Session) Is(token string) bool { return s.ID == hashed(token) }
