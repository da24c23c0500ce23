package people

import (
	"context"
	"time"

	"cove/registry/db"
)

// CustomRole is a set of rights with a name.
type CustomRole struct {
	Name        string
	Rights      string // with a space between two
	Description string
	CreatedAt   time.Time
}

const selectRole = "SELECT name, rights, description, created_at FROM custom_roles "

func scanRole(s db.Scanner) (r CustomRole, err error) {
	var created int64
	err = s.Scan(&r.Name, &r.Rights, &r.Description, &created)
	r.CreatedAt = time.UnixMicro(created)
	return r, err
}

// CustomRole returns the role of this name, or errdefs.ErrNotFound.
func (q Queries) CustomRole(ctx context.Context, name string) (CustomRole, error) {
	r, err := scanRole(q.Q.Row(ctx, selectRole+"WHERE name = $1", name))
	return r, db.NotFound(err, "role %q does not exist", name)
}

// CustomRoles lists all roles that administrators made, by name.
func (q Queries) CustomRoles(ctx context.Context) ([]CustomRole, error) {
	return db.All(ctx, q.Q, scanRole, selectRole+"ORDER BY name")
}

// SetCustomRole makes a role, or gives the one of that name other rights.
func (w Writer) SetCustomRole(ctx context.Context, r CustomRole) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO custom_roles (name, rights, description, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET rights = excluded.rights, description = excluded.description`,
		r.Name, r.Rights, r.Description, db.Micros(w.Tx.Now))
	return db.Unavailable(err)
}

// RemoveCustomRole removes a role; used says that somebody has it, and it stays.
func (w Writer) RemoveCustomRole(ctx context.Context, name string) (used bool, err error) {
	var n int64
	if err := w.Tx.Row(ctx, "SELECT COUNT(*) FROM memberships WHERE role = $1", name).Scan(&n); err != nil || n > 0 {
		return n > 0, db.Unavailable(err)
	}
	_, err = w.Tx.Exec(ctx, "DELETE FROM custom_roles WHERE name = $1", name)
	return false, db.Unavailable(err)
}
