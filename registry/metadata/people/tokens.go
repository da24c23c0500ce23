package people

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// AccessToken is a personal access token: what of an account's rights whoever has
// its text may use.
type AccessToken struct {
	ID           int64
	UserID       int64
	Name         string
	Hash         string // of the text
	Rights       string // with a space between two
	Repositories string // a glob of full names
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
	UsedAt       time.Time // zero: never
}

// Expired says whether the token has come to its end.
func (t AccessToken) Expired(now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

const selectToken = `SELECT id, user_id, name, hash, rights, repositories, created_at, expires_at, used_at
	FROM access_tokens `

func scanToken(s db.Scanner) (t AccessToken, err error) {
	var created, expires, used int64
	err = s.Scan(&t.ID, &t.UserID, &t.Name, &t.Hash, &t.Rights, &t.Repositories, &created, &expires, &used)
	t.CreatedAt, t.ExpiresAt, t.UsedAt = time.UnixMicro(created), moment(expires), moment(used)
	return t, err
}

// TokenByHash returns the token whose text has this hash, or errdefs.ErrNotFound.
func (q Queries) TokenByHash(ctx context.Context, hash string) (AccessToken, error) {
	t, err := scanToken(q.Q.Row(ctx, selectToken+"WHERE hash = $1", hash))
	return t, db.NotFound(err, "there is no such access token")
}

// TokenByID returns the token with this id, or errdefs.ErrNotFound.
func (q Queries) TokenByID(ctx context.Context, id int64) (AccessToken, error) {
	t, err := scanToken(q.Q.Row(ctx, selectToken+"WHERE id = $1", id))
	return t, db.NotFound(err, "there is no such access token")
}

// TokensOf lists the tokens of a user by name.
func (q Queries) TokensOf(ctx context.Context, userID int64) ([]AccessToken, error) {
	return db.All(ctx, q.Q, scanToken, selectToken+"WHERE user_id = $1 ORDER BY name", userID)
}

// AddToken keeps a token; one of that name is errdefs.ErrExists.
func (w Writer) AddToken(ctx context.Context, t AccessToken) error {
	changed, err := w.Tx.Exec(ctx, `INSERT INTO access_tokens
			(id, user_id, name, hash, rights, repositories, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (user_id, name) DO NOTHING`,
		w.Tx.NewID(), t.UserID, t.Name, t.Hash, t.Rights, t.Repositories, db.Micros(w.Tx.Now),
		stored(t.ExpiresAt))
	if err == nil && changed == 0 {
		return errdefs.Errorf(
			errdefs.ErrExists,
			"access token %q exists already; remove it first",
			t.Name,
		)
	}
	return db.Unavailable(err)
}

// RemoveToken ends a token of a user, or is errdefs.ErrNotFound.
func (w Writer) RemoveToken(ctx context.Context, userID int64, name string) error {
	changed, err := w.Tx.Exec(ctx, "DELETE FROM access_tokens WHERE user_id = $1 AND name = $2", userID, name)
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "access token %q does not exist", name)
	}
	return db.Unavailable(err)
}

// TokenUsed notes when a token was last used.
func (w Writer) TokenUsed(ctx context.Context, id int64, at time.Time) error {
	_, err := w.Tx.Exec(
		ctx,
		"UPDATE access_tokens SET used_at = $2 WHERE id = $1 AND used_at < $2",
		id,
		db.Micros(at),
	)
	return db.Unavailable(err)
}
