package people

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// PasswordLink lets whoever has its text set the password of a user, once.
type PasswordLink struct {
	UserID    int64
	User      string // whose password it is; read only
	Hash      string // of the text
	ExpiresAt time.Time
}

// PasswordLink returns the link whose text has this hash, or errdefs.ErrNotFound.
func (q Queries) PasswordLink(ctx context.Context, hash string) (l PasswordLink, err error) {
	var expires int64
	err = q.Q.Row(ctx, `SELECT l.user_id, u.name, l.hash, l.expires_at
		FROM password_links l JOIN users u ON u.id = l.user_id WHERE l.hash = $1`, hash).
		Scan(&l.UserID, &l.User, &l.Hash, &expires)
	l.ExpiresAt = time.UnixMicro(expires)
	return l, db.NotFound(err, "there is no such link")
}

// SetPasswordLink keeps a link in place of the one that the user had.
func (w Writer) SetPasswordLink(ctx context.Context, l PasswordLink) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO password_links (user_id, hash, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at`,
		l.UserID, l.Hash, db.Micros(l.ExpiresAt))
	return db.Unavailable(err)
}

// RemovePasswordLink ends the link of a user, or is errdefs.ErrNotFound.
func (w Writer) RemovePasswordLink(ctx context.Context, userID int64) error {
	changed, err := w.Tx.Exec(ctx, "DELETE FROM password_links WHERE user_id = $1", userID)
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "there is no such link")
	}
	return db.Unavailable(err)
}
