package people

import (
	"context"

	"cove/errdefs"
	"cove/registry/db"
)

// BySubject returns the account that a source knows by a subject, or
// errdefs.ErrNotFound, and holds it until the commit.
func (w Writer) BySubject(ctx context.Context, source, subject string) (User, error) {
	u, err := scanUser(w.Tx.Row(ctx, selectUser+"WHERE source = $1 AND subject = $2"+w.Tx.ForUpdate, source, subject))
	return u, db.NotFound(err, "no account of %s has this subject", source)
}

// AddExternal makes the account of somebody for whom a source vouches: it has no
// password here. One of that name, of whatever source, is errdefs.ErrExists.
func (w Writer) AddExternal(ctx context.Context, name, source, subject string, admin bool) error {
	changed, err := w.Tx.Exec(ctx, `INSERT INTO users (id, name, password_hash, admin, created_at, source, subject)
		VALUES ($1, $2, '', $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING`,
		w.Tx.NewID(), name, db.Number(admin), db.Micros(w.Tx.Now), source, subject)
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrExists, "user %q exists already", name)
	}
	return db.Unavailable(err)
}

// UserOfSubject is BySubject, and holds nothing.
func (q Queries) UserOfSubject(ctx context.Context, source, subject string) (User, error) {
	u, err := scanUser(q.Q.Row(ctx, selectUser+"WHERE source = $1 AND subject = $2", source, subject))
	return u, db.NotFound(err, "no account of %s has this subject", source)
}
