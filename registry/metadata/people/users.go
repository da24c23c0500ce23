package people

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// The kinds of accounts.
const (
	KindUser  = "user"
	KindRobot = "robot"
	KindTrust = "trust" // a rule that takes tokens of others for its own
)

// User is an account.
type User struct {
	ID           int64
	Name         string
	PasswordHash string
	Admin        bool
	Disabled     bool  // may not sign in
	Epoch        int64 // grows when what was issued must stop working
	CreatedAt    time.Time

	Kind        string
	ProjectID   int64 // of a robot or a rule; 0: the registry's
	Description string
	ExpiresAt   time.Time // zero: never
	UsedAt      time.Time // zero: never
	Source      string    // who vouches for it: "" this registry
}

// Expired says whether the account has come to its end.
func (u User) Expired(now time.Time) bool { return !u.ExpiresAt.IsZero() && !now.Before(u.ExpiresAt) }

const selectUser = `SELECT id, name, password_hash, admin, disabled, epoch, created_at,
	kind, project_id, description, expires_at, used_at, source FROM users `

func scanUser(s db.Scanner) (u User, err error) {
	var admin, disabled, created, expires, used int64
	err = s.Scan(&u.ID, &u.Name, &u.PasswordHash, &admin, &disabled, &u.Epoch, &created,
		&u.Kind, &u.ProjectID, &u.Description, &expires, &used, &u.Source)
	u.Admin, u.Disabled, u.CreatedAt = admin != 0, disabled != 0, time.UnixMicro(created)
	u.ExpiresAt, u.UsedAt = moment(expires), moment(used)
	return u, err
}

// moment is a time as tables hold it; 0 is none.
func moment(micros int64) (t time.Time) {
	if micros != 0 {
		t = time.UnixMicro(micros)
	}
	return t
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

// Users lists the users after last, at most n: neither robots nor rules.
func (q Queries) Users(ctx context.Context, last string, n int) ([]User, error) {
	return db.All(ctx, q.Q, scanUser, selectUser+"WHERE kind = 'user' AND name > $1 ORDER BY name LIMIT $2", last, n)
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

// SetPassword changes a password and ends the tokens issued before, and the link by which
// it could be set.
func (w Writer) SetPassword(ctx context.Context, name, passwordHash string) error {
	if _, err := w.Tx.Exec(ctx, `DELETE FROM password_links
		WHERE user_id IN (SELECT id FROM users WHERE name = $1)`, name); err != nil {
		return db.Unavailable(err)
	}
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
		"SELECT name FROM users WHERE admin = 1 AND disabled = 0 AND kind = 'user' ORDER BY name"+w.Tx.ForUpdate)
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
	for _, of := range []string{"memberships", "members"} {
		_, err := w.Tx.Exec(ctx, "DELETE FROM "+of+" WHERE user_id IN (SELECT id FROM users WHERE name = $1)", name)
		if err != nil {
			return db.Unavailable(err)
		}
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
