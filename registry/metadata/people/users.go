package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// User is an account.
type User struct {
	ID           int64
	Name         string
	PasswordHash string
	Admin        bool
	Disabled     bool // may not sign in
	// Epoch grows with every change that must end what was issued before.
	Epoch     int64
	CreatedAt time.Time
}

const selectUser = "SELECT id, name, password_hash, admin, disabled, epoch, created_at FROM users "

func scanUser(s db.Scanner) (u User, err error) {
	var admin, disabled, created int64
	err = s.Scan(&u.ID, &u.Name, &u.PasswordHash, &admin, &disabled, &u.Epoch, &created)
	u.Admin, u.Disabled, u.CreatedAt = admin != 0, disabled != 0, time.UnixMicro(created)
	return u, err
}

// UserByName returns an account, or errdefs.ErrNotFound.
func (q Queries) UserByName(ctx context.Context, name string) (User, error) {
	u, err := scanUser(q.Q.Row(ctx, selectUser+"WHERE name = $1", name))
	return u, db.NotFound(err, "user %q does not exist", name)
}

// UserForUpdate is UserByName, and holds the account until the commit.
func (w Writer) UserForUpdate(ctx context.Context, name string) (User, error) {
	u, err := scanUser(w.Tx.Row(ctx, selectUser+"WHERE name = $1"+w.Tx.ForUpdate, name))
	return u, db.NotFound(err, "user %q does not exist", name)
}

// Users lists the accounts after last, at most n.
func (q Queries) Users(ctx context.Context, last string, n int) ([]User, error) {
	return db.All(ctx, q.Q, scanUser, selectUser+"WHERE name > $1 ORDER BY name LIMIT $2", last, n)
}

// AddUser makes an account; one of that name is errdefs.ErrExists.
func (w Writer) AddUser(ctx context.Context, name, passwordHash string, admin bool) error {
	changed, err := w.Tx.Exec(ctx, `INSERT INTO users (id, name, password_hash, admin, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO NOTHING`, w.Tx.NewID(), name, passwordHash, db.Number(admin), db.Micros(w.Tx.Now))
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrExists, "user %q exists already", name)
	}
	return db.Unavailable(err)
}

// SetPassword changes a password and ends the tokens issued before.
func (w Writer) SetPassword(ctx context.Context, name, passwordHash string) error {
	changed, err := w.Tx.Exec(ctx, "UPDATE users SET password_hash = $2, epoch = epoch + 1 WHERE name = $1", name,
		passwordHash)
	return changedUser(changed, err, name)
}

// SetUser says whether an account is an administrator's and whether it is
// disabled, and ends what was issued to it before. The last administrator who may
// sign in is errdefs.ErrConflict.
func (w Writer) SetUser(ctx context.Context, name string, admin, disabled bool) error {
	if !admin || disabled {
		if err := w.keepAdmin(ctx, name); err != nil {
			return err
		}
	}
	changed, err := w.Tx.Exec(ctx, "UPDATE users SET admin = $2, disabled = $3, epoch = epoch + 1 WHERE name = $1", name,
		db.Number(admin), db.Number(disabled))
	return changedUser(changed, err, name)
}

// keepAdmin is errdefs.ErrConflict for the last administrator: nobody would be
// left who may do everything.
func (w Writer) keepAdmin(ctx context.Context, name string) error {
	admins, err := db.All(ctx, w.Tx, db.ScanString,
		"SELECT name FROM users WHERE admin = 1 AND disabled = 0 ORDER BY name"+w.Tx.ForUpdate)
	if err != nil {
		return err
	}
	if len(admins) == 1 && admins[0] == name {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict,
			"user %q is the last administrator and stays until there is another", name), errdefs.MakeAdmin, "")
	}
	return nil
}

// RemoveUser removes an account and its memberships. The last administrator is
// errdefs.ErrConflict.
func (w Writer) RemoveUser(ctx context.Context, name string) error {
	if err := w.keepAdmin(ctx, name); err != nil {
		return err
	}
	if _, err := w.Tx.Exec(ctx, "DELETE FROM members WHERE user_id IN (SELECT id FROM users WHERE name = $1)",
		name); err != nil {
		return db.Unavailable(err)
	}
	changed, err := w.Tx.Exec(ctx, "DELETE FROM users WHERE name = $1", name)
	return changedUser(changed, err, name)
}

func changedUser(changed int64, err error, name string) error {
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "user %q does not exist", name)
	}
	return db.Unavailable(err)
}

// SetRole makes a user a member of a project; role 0 ends the membership.
func (w Writer) SetRole(ctx context.Context, projectID, userID int64, role int) error {
	if role == 0 {
		_, err := w.Tx.Exec(ctx, "DELETE FROM members WHERE project_id = $1 AND user_id = $2", projectID, userID)
		return db.Unavailable(err)
	}
	_, err := w.Tx.Exec(ctx, `INSERT INTO members (project_id, user_id, role) VALUES ($1, $2, $3)
		ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role`, projectID, userID, role)
	return db.Unavailable(err)
}

// Standing is what a decision about a user and a project rests on.
type Standing struct {
	ProjectExists bool
	ProjectPublic bool
	Role          int // 0: not a member
}

// Standing answers for a user (0: nobody) and the project of this name.
func (q Queries) Standing(ctx context.Context, project string, userID int64) (Standing, error) {
	var st Standing
	var public int64
	err := q.Q.Row(ctx, `SELECT p.public, COALESCE(m.role, 0) FROM projects p
		LEFT JOIN members m ON m.project_id = p.id AND m.user_id = $2 WHERE p.name = $1`,
		project, userID).Scan(&public, &st.Role)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	st.ProjectExists, st.ProjectPublic = true, public != 0
	return st, db.Unavailable(err)
}
