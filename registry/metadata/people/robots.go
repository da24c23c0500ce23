package people

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// stored is moment's inverse.
func stored(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return db.Micros(t)
}

// AddAccount makes an account of any kind; one of that name is errdefs.ErrExists.
func (w Writer) AddAccount(ctx context.Context, u User) (User, error) {
	u.ID, u.Epoch, u.CreatedAt = w.Tx.NewID(), 1, w.Tx.Now
	changed, err := w.Tx.Exec(ctx, `INSERT INTO users
			(id, name, password_hash, admin, created_at, kind, project_id, description, expires_at, source)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (name) DO NOTHING`,
		u.ID, u.Name, u.PasswordHash, db.Number(u.Admin), db.Micros(u.CreatedAt), u.Kind, u.ProjectID, u.Description,
		stored(u.ExpiresAt), u.Source)
	if err == nil && changed == 0 {
		return u, errdefs.Errorf(errdefs.ErrExists, "%s %q exists already", u.Kind, u.Name)
	}
	return u, db.Unavailable(err)
}

// Accounts lists those of a kind that belong to a project (0: to the registry),
// after last, at most n, by name.
func (q Queries) Accounts(ctx context.Context, kind string, projectID int64, last string, n int) ([]User, error) {
	return db.All(ctx, q.Q, scanUser, selectUser+`WHERE kind = $1 AND project_id = $2 AND name > $3
		ORDER BY name LIMIT $4`, kind, projectID, last, n)
}

// SetAccount changes when a robot or a rule ends, whether it is disabled and what
// it is for, and ends what was issued to it before.
func (w Writer) SetAccount(ctx context.Context, u User) error {
	_, err := w.Tx.Exec(ctx, `UPDATE users SET disabled = $2, expires_at = $3, description = $4, epoch = epoch + 1
		WHERE id = $1`, u.ID, db.Number(u.Disabled), stored(u.ExpiresAt), u.Description)
	return db.Unavailable(err)
}

// AccountUsed notes when an account last signed in.
func (w Writer) AccountUsed(ctx context.Context, id int64, at time.Time) error {
	_, err := w.Tx.Exec(ctx, "UPDATE users SET used_at = $2 WHERE id = $1 AND used_at < $2", id, db.Micros(at))
	return db.Unavailable(err)
}
