package people

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// Group is a set of users.
type Group struct {
	ID        int64
	Name      string
	CreatedAt time.Time
	Users     int64 // how many are in it
}

const selectGroup = `SELECT g.id, g.name, g.created_at,
	(SELECT COUNT(*) FROM group_users m WHERE m.group_id = g.id) FROM user_groups g `

func scanGroup(s db.Scanner) (g Group, err error) {
	var created int64
	err = s.Scan(&g.ID, &g.Name, &created, &g.Users)
	g.CreatedAt = time.UnixMicro(created)
	return g, err
}

// Group returns the group of this name, or errdefs.ErrNotFound.
func (q Queries) Group(ctx context.Context, name string) (Group, error) {
	g, err := scanGroup(q.Q.Row(ctx, selectGroup+"WHERE g.name = $1", name))
	return g, db.NotFound(err, "group %q does not exist", name)
}

// Groups lists the groups after last, at most n, by name.
func (q Queries) Groups(ctx context.Context, last string, n int) ([]Group, error) {
	return db.All(ctx, q.Q, scanGroup, selectGroup+"WHERE g.name > $1 ORDER BY g.name LIMIT $2", last, n)
}

// GroupUsers lists the users of a group after last, at most n, by name.
func (q Queries) GroupUsers(ctx context.Context, groupID int64, last string, n int) ([]string, error) {
	return db.All(ctx, q.Q, db.ScanString, `SELECT u.name FROM group_users m JOIN users u ON u.id = m.user_id
		WHERE m.group_id = $1 AND u.name > $2 ORDER BY u.name LIMIT $3`, groupID, last, n)
}

// UserGroups lists the groups of a user, by name.
func (q Queries) UserGroups(ctx context.Context, userID int64) ([]string, error) {
	return db.All(ctx, q.Q, db.ScanString, `SELECT g.name FROM group_users m JOIN user_groups g ON g.id = m.group_id
		WHERE m.user_id = $1 ORDER BY g.name`, userID)
}

// AddGroup makes a group; one of that name is errdefs.ErrExists.
func (w Writer) AddGroup(ctx context.Context, name string) error {
	changed, err := w.Tx.Exec(ctx, `INSERT INTO user_groups (id, name, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO NOTHING`, w.Tx.NewID(), name, db.Micros(w.Tx.Now))
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrExists, "group %q exists already", name)
	}
	return db.Unavailable(err)
}

// RemoveGroup removes a group, and what its users have by it.
func (w Writer) RemoveGroup(ctx context.Context, id int64) error {
	for _, stmt := range []string{
		"DELETE FROM memberships WHERE group_id = $1",
		"DELETE FROM group_users WHERE group_id = $1",
		"DELETE FROM user_groups WHERE id = $1",
	} {
		if _, err := w.Tx.Exec(ctx, stmt, id); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// PutInGroup puts a user into a group, as source says; who is in it stays so.
func (w Writer) PutInGroup(ctx context.Context, groupID, userID int64, source string) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO group_users (group_id, user_id, source) VALUES ($1, $2, $3)
		ON CONFLICT (group_id, user_id) DO NOTHING`, groupID, userID, source)
	return db.Unavailable(err)
}

// TakeFromGroup takes a user out of a group.
func (w Writer) TakeFromGroup(ctx context.Context, groupID, userID int64) error {
	_, err := w.Tx.Exec(ctx, "DELETE FROM group_users WHERE group_id = $1 AND user_id = $2", groupID, userID)
	return db.Unavailable(err)
}

// GroupsOf makes a user a member of just the existing groups among names, as far as
// source says so: what others said stays.
func (w Writer) GroupsOf(ctx context.Context, userID int64, source string, names []string) error {
	const forget = "DELETE FROM group_users WHERE user_id = $1 AND source = $2"
	if _, err := w.Tx.Exec(ctx, forget, userID, source); err != nil {
		return db.Unavailable(err)
	}
	for _, name := range names {
		_, err := w.Tx.Exec(ctx, `INSERT INTO group_users (group_id, user_id, source)
			SELECT id, $2, $3 FROM user_groups WHERE name = $1
			ON CONFLICT (group_id, user_id) DO NOTHING`, name, userID, source)
		if err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// Subject fills in whose a membership is: a user's, or a group's if one is named.
func (w Writer) Subject(ctx context.Context, user, group string, m *Membership) error {
	q := Queries{w.Tx}
	if group != "" {
		g, err := q.Group(ctx, group)
		m.GroupID, m.Name, m.Kind = g.ID, g.Name, "group"
		return err
	}
	u, err := q.UserByName(ctx, user)
	m.UserID, m.Name, m.Kind = u.ID, u.Name, u.Kind
	return err
}
