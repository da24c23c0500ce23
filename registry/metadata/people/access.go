package people

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"cove/registry/db"
)

// MatchesRepository is the part of a query in which a row a of account_access is
// about the repository r of the project p.
const MatchesRepository = `a.project_id IN (p.id, 0)
	AND r.name LIKE CASE a.project_id WHEN 0 THEN a.matching ELSE p.name || '/' || a.matching END ESCAPE '\'`

// Grant is what an account or a group has in a project, or in all of them.
type Grant struct {
	ProjectID    int64  // 0: in all
	Role         string // "" when it has rights of its own
	Rights       string // its own, or those of a role that an administrator made
	Repositories string // where: a glob of names within the project, or, in all, of full names
	Group        string // by which the account has it; "" by itself
}

// Standing is what a decision about an account and a project rests on.
type Standing struct {
	ProjectExists bool
	ProjectPublic bool
	Grants        []Grant // also those in all projects
}

// Standing answers for an account (0: nobody) and the project of this name; "" is
// none, and leaves what the account has in all.
func (q Queries) Standing(ctx context.Context, project string, userID int64) (Standing, error) {
	var st Standing
	var id, public int64
	if project != "" {
		err := q.Q.Row(ctx, "SELECT id, public FROM projects WHERE name = $1", project).Scan(&id, &public)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return st, db.Unavailable(err)
		}
		st.ProjectExists, st.ProjectPublic = err == nil, public != 0
	}
	if userID == 0 {
		return st, nil
	}
	var err error
	st.Grants, err = db.All(ctx, q.Q, scanGrant, `SELECT a.project_id, a.role, COALESCE(r.rights, a.rights),
			a.repositories, COALESCE(g.name, '')
		FROM account_access a LEFT JOIN custom_roles r ON r.name = a.role LEFT JOIN user_groups g ON g.id = a.group_id
		WHERE a.user_id = $1 AND a.project_id IN ($2, 0)`, userID, id)
	return st, err
}

// Access lists all that an account has, everywhere.
func (q Queries) Access(ctx context.Context, userID int64) ([]Grant, error) {
	return db.All(ctx, q.Q, scanGrant, `SELECT a.project_id, a.role, COALESCE(r.rights, a.rights),
			a.repositories, COALESCE(g.name, '')
		FROM account_access a LEFT JOIN custom_roles r ON r.name = a.role LEFT JOIN user_groups g ON g.id = a.group_id
		WHERE a.user_id = $1`, userID)
}

func scanGrant(s db.Scanner) (g Grant, err error) {
	err = s.Scan(&g.ProjectID, &g.Role, &g.Rights, &g.Repositories, &g.Group)
	return g, err
}

// Membership is a Grant with who has it.
type Membership struct {
	Grant
	UserID, GroupID int64  // one of them is 0
	Name            string // of the user or the group
	Kind            string // of the account, or "group"
	Admin           bool   // of the registry
	Matching        string // Repositories as a pattern of LIKE
}

const selectMemberships = `SELECT m.project_id, m.role, COALESCE(r.rights, m.rights), m.repositories, '',
		m.user_id, m.group_id, COALESCE(u.name, g.name), COALESCE(u.kind, 'group'), COALESCE(u.admin, 0), m.matching
	FROM memberships m LEFT JOIN users u ON u.id = m.user_id LEFT JOIN user_groups g ON g.id = m.group_id
	LEFT JOIN custom_roles r ON r.name = m.role `

func scanMembership(s db.Scanner) (m Membership, err error) {
	var admin int64
	err = s.Scan(&m.ProjectID, &m.Role, &m.Rights, &m.Repositories, &m.Group, &m.UserID, &m.GroupID, &m.Name, &m.Kind,
		&admin, &m.Matching)
	m.Admin = admin != 0
	return m, err
}

// selectListed has each row of a page look up its account by itself: joined, all accounts
// of the registry may be read for it.
const selectListed = `SELECT m.project_id, m.role,
		COALESCE((SELECT rights FROM custom_roles WHERE name = m.role), m.rights), m.repositories, '',
		m.user_id, m.group_id,
		COALESCE((SELECT name FROM users WHERE id = m.user_id),
			(SELECT name FROM user_groups WHERE id = m.group_id), ''),
		COALESCE((SELECT kind FROM users WHERE id = m.user_id), 'group'),
		COALESCE((SELECT admin FROM users WHERE id = m.user_id), 0), m.matching
	FROM memberships m `

// Members lists the users and groups of a project (0: of the registry) after the
// one that Cursor of the last gave, at most n, by name.
func (q Queries) Members(ctx context.Context, projectID int64, last string, n int) ([]Membership, error) {
	page, err := db.All(ctx, q.Q, scanMembership, selectListed+`WHERE m.project_id = $1 AND m.listed > $2
		ORDER BY m.listed LIMIT $3`, projectID, last, n)
	if err != nil {
		return nil, err
	}
	// What a server of the version before has written has no place in the order yet.
	unplaced, err := db.All(ctx, q.Q, scanMembership,
		selectListed+"WHERE m.project_id = $1 AND m.listed IS NULL", projectID)
	if err != nil || len(unplaced) == 0 {
		return page, err
	}
	for _, m := range unplaced {
		if (m.Kind == "user" || m.Kind == "group") && m.Cursor() > last {
			page = append(page, m)
		}
	}
	slices.SortFunc(page, func(a, b Membership) int { return strings.Compare(a.Cursor(), b.Cursor()) })
	return page[:min(n, len(page))], nil
}

// Cursor is where a list goes on after the membership.
func (m Membership) Cursor() string { return m.Name + " " + m.Repositories }

// AccountGrants lists what an account or a group has by itself, everywhere.
func (q Queries) AccountGrants(ctx context.Context, userID, groupID int64) ([]Membership, error) {
	return db.All(ctx, q.Q, scanMembership, selectMemberships+`WHERE m.user_id = $1 AND m.group_id = $2
		ORDER BY m.project_id, m.repositories`, userID, groupID)
}

// SetMembership gives an account or a group what m says, in place of what it had in
// these repositories. Names of accounts and groups never change, so its place in the list
// does not either.
func (w Writer) SetMembership(ctx context.Context, m Membership) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO memberships
			(project_id, user_id, group_id, repositories, matching, role, rights, listed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE(
			(SELECT CASE kind WHEN 'user' THEN name || ' ' || $4 ELSE '' END FROM users WHERE id = $2),
			(SELECT name || ' ' || $4 FROM user_groups WHERE id = $3), ''))
		ON CONFLICT (project_id, user_id, group_id, repositories)
		DO UPDATE SET role = excluded.role, rights = excluded.rights, listed = excluded.listed`,
		m.ProjectID, m.UserID, m.GroupID, m.Repositories, m.Matching, m.Role, m.Rights)
	return db.Unavailable(err)
}

// RemoveMembership takes from an account or a group what it has in a project, in
// the repositories of a glob or, when that is "", in all; it says whether there was
// anything.
func (w Writer) RemoveMembership(ctx context.Context, m Membership) (bool, error) {
	changed, err := w.Tx.Exec(ctx, `DELETE FROM memberships WHERE project_id = $1 AND user_id = $2 AND group_id = $3
		AND ($4 = '' OR repositories = $4)`, m.ProjectID, m.UserID, m.GroupID, m.Repositories)
	return changed > 0, db.Unavailable(err)
}

// SetRole makes a user a member of a whole project; role "" ends the membership.
func (w Writer) SetRole(ctx context.Context, projectID, userID int64, role string) error {
	m := Membership{Grant: Grant{ProjectID: projectID, Role: role, Repositories: "*"}, UserID: userID, Matching: "%"}
	if role == "" {
		_, err := w.RemoveMembership(ctx, m)
		return err
	}
	return w.SetMembership(ctx, m)
}

// ProjectRole is what an account or a group has in a project, by the project's name.
type ProjectRole struct {
	Project      string // "" is all of them
	Role         string // "" when it has rights of its own
	Rights       string
	Repositories string
}

// ProjectRoles lists what an account or a group has by itself, by project; one of the two
// numbers is 0.
func (q Queries) ProjectRoles(ctx context.Context, userID, groupID int64) ([]ProjectRole, error) {
	const most = 1000
	return db.All(ctx, q.Q, func(s db.Scanner) (r ProjectRole, err error) {
		err = s.Scan(&r.Project, &r.Role, &r.Rights, &r.Repositories)
		return r, err
	}, `SELECT COALESCE(p.name, ''), m.role, m.rights, m.repositories
		FROM memberships m LEFT JOIN projects p ON p.id = m.project_id
		WHERE m.user_id = $1 AND m.group_id = $2 ORDER BY COALESCE(p.name, ''), m.repositories LIMIT $3`,
		userID, groupID, most)
}
