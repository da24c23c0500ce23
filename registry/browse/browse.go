package browse

import (
	"context"
	"strings"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/browse/files"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// Browser reads a registry. It is safe for concurrent use. Who may not see
// something gets the errors of auth.Judge's Permit.
type Browser struct {
	db       *metadata.DB
	registry distribution.Registry
	judge    auth.Judge
	files    *files.Reader
}

// New reads the registry whose database is db. Both stay the caller's.
func New(database *metadata.DB, registry distribution.Registry, judge auth.Judge) *Browser {
	return &Browser{db: database, registry: registry, judge: judge, files: files.NewReader()}
}

// Query asks for a page of a list: what contains Match, after the entry Last, at
// most N.
type Query struct {
	Match, Last string
	N           int
}

// pattern is Match for LIKE, which is told that the escape is a backslash.
func (q Query) pattern() string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(q.Match)) + "%"
}

// maxCount is as far as entries are counted for a list: beyond it an exact number
// is not worth its time.
const maxCount = 1000

// Count is a number of entries, of which no more than maxCount were counted.
type Count int64

// More says that there are more than the number.
func (c Count) More() bool { return c > maxCount }

// Number is the number, or the greatest that is told.
func (c Count) Number() int64 { return min(int64(c), maxCount) }

// Project is a project as the one who asks sees it.
type Project struct {
	Name         string
	Public       bool
	CreatedAt    time.Time
	Role         string // of the one who asks; "" if he has none in all of it
	id           int64
	Repositories Count
}

const selectProjects = `SELECT p.name, p.public, p.created_at, p.id,
		(SELECT COUNT(*) FROM (SELECT 1 FROM repositories r WHERE r.project_id = p.id
			AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id) LIMIT 1001) AS counted)
	FROM projects p WHERE `

func scanProject(row db.Scanner) (p Project, err error) {
	var public, created int64
	err = row.Scan(&p.Name, &public, &created, &p.id, &p.Repositories)
	p.Public, p.CreatedAt = public != 0, time.UnixMicro(created)
	return p, err
}

// Projects lists those that the caller may see, by name.
func (b *Browser) Projects(ctx context.Context, by auth.Caller, q Query) (page []Project, more bool, err error) {
	viewer := by.Viewer()
	page, err = db.All(ctx, b.db.Querier(), scanProject, selectProjects+visibleProject+`AND p.name > $3
		AND p.name LIKE $4 ESCAPE '\' ORDER BY p.name LIMIT $5`,
		flag(viewer.All), viewer.UserID, q.Last, q.pattern(), q.N+1)
	page, more = cut(page, q.N)
	if err != nil {
		return nil, false, err
	}
	return page, more, b.roles(ctx, by, page)
}

// roles fills in what the caller is in each project.
func (b *Browser) roles(ctx context.Context, by auth.Caller, page []Project) error {
	if by.UserID == 0 {
		return nil
	}
	has, err := b.db.Access(ctx, by.UserID)
	if err != nil {
		return err
	}
	for i := range page {
		page[i].Role, page[i].id = auth.RoleAmong(has, page[i].id), 0
	}
	return nil
}

// Project is the project of a name.
func (b *Browser) Project(ctx context.Context, by auth.Caller, name string) (Project, error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.ReadProject, name); err != nil {
		return Project{}, err
	}
	p, err := scanProject(b.db.Querier().Row(ctx, selectProjects+"p.name = $1", name))
	if err != nil {
		return p, db.NotFound(err, "project %q does not exist", name)
	}
	page := []Project{p}
	err = b.roles(ctx, by, page)
	return page[0], err
}

// Repository is a repository with what it holds.
type Repository struct {
	Name      string // with its project
	Tags      Count
	Artifacts Count
	PushedAt  time.Time // of its newest tag; zero without one
}

// Short is the name within the project.
func (r Repository) Short() string {
	_, short, _ := strings.Cut(r.Name, "/")
	return short
}

const repositoryColumns = `SELECT r.name,
			(SELECT COUNT(*) FROM (SELECT 1 FROM tags t WHERE t.repository_id = r.id LIMIT 1001) AS tagged),
			(SELECT COUNT(*) FROM (SELECT 1 FROM manifests x WHERE x.repository_id = r.id LIMIT 1001) AS held),
			COALESCE((SELECT MAX(t.updated_at) FROM tags t WHERE t.repository_id = r.id), 0)`

func scanRepository(row db.Scanner) (r Repository, err error) {
	var pushed int64
	err = row.Scan(&r.Name, &r.Tags, &r.Artifacts, &pushed)
	if pushed != 0 {
		r.PushedAt = time.UnixMicro(pushed)
	}
	return r, err
}

// Repository is one by its name, whether it still holds something or not.
func (b *Browser) Repository(ctx context.Context, by auth.Caller, repo string) (r Repository, err error) {
	id, err := b.repository(ctx, by, repo)
	if err != nil {
		return r, err
	}
	r, err = scanRepository(b.db.Querier().Row(ctx, repositoryColumns+" FROM repositories r WHERE r.id = $1", id))
	return r, db.NotFound(err, "repository %s does not exist", repo)
}

// Repositories lists those of a project that hold something, by name.
func (b *Browser) Repositories(
	ctx context.Context, by auth.Caller, project string, q Query,
) (page []Repository, more bool, err error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.ReadProject, project); err != nil {
		return nil, false, err
	}
	viewer := by.Viewer()
	page, err = db.All(ctx, b.db.Querier(), scanRepository, repositoryColumns+`
		FROM repositories r JOIN projects p ON p.id = r.project_id
		WHERE p.name = $1 AND r.name > $2 AND r.name LIKE $3 ESCAPE '\'
			AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id)
			AND ($5 = 1 OR p.public = 1 OR EXISTS (SELECT 1 FROM account_access a WHERE a.user_id = $6
				AND `+people.MatchesRepository+`)) AND r.name LIKE $7 ESCAPE '\'
		ORDER BY r.name LIMIT $4`, project, q.Last, q.pattern(), q.N+1, flag(viewer.All), viewer.UserID, viewer.Pattern())
	page, more = cut(page, q.N)
	return page, more, err
}

// Member is a user or a group with a role in a project.
type Member struct {
	Name         string
	Group        bool
	Role         string
	Repositories string // where, a glob of names within the project
	Admin        bool   // of the system
	cursor       string
}

// Cursor is what Query.Last is for the page after this member.
func (m Member) Cursor() string { return m.cursor }

// Everywhere says that the role is one in the whole project.
func (m Member) Everywhere() bool { return m.Repositories == rights.Everywhere }

// Members lists the members of a project, by name, for those who may see them.
func (b *Browser) Members(ctx context.Context, by auth.Caller, project string) ([]Member, error) {
	all, _, err := b.MembersPage(ctx, by, project, Query{N: 1<<31 - 2})
	return all, err
}

// MembersPage is Members, in pages; more says that there are others.
func (b *Browser) MembersPage(
	ctx context.Context, by auth.Caller, project string, q Query,
) (page []Member, more bool, err error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.ListMembers, project); err != nil {
		return nil, false, err
	}
	of, err := b.db.Project(ctx, project)
	if err != nil {
		return nil, false, err
	}
	return b.members(ctx, of.ID, q)
}

// SystemMembers lists who has a role in all projects, by name; more says that there
// are others.
func (b *Browser) SystemMembers(
	ctx context.Context, by auth.Caller, q Query,
) (page []Member, more bool, err error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.ManageUsers, ""); err != nil {
		return nil, false, err
	}
	return b.members(ctx, 0, q)
}

func (b *Browser) members(ctx context.Context, projectID int64, q Query) (page []Member, more bool, err error) {
	found, err := b.db.Members(ctx, projectID, q.Last, q.N+1)
	if err != nil {
		return nil, false, err
	}
	found, more = cut(found, q.N)
	for _, m := range found {
		page = append(page, Member{m.Name, m.GroupID != 0, m.Role, m.Repositories, m.Admin, m.Cursor()})
	}
	return page, more, nil
}

// May says whether the caller has a right, in a project if it is one towards a
// project, for pages that show only what leads on.
func (b *Browser) May(ctx context.Context, by auth.Caller, right auth.Right, project string) bool {
	return b.judge.Permit(ctx, b.db, by, right, project) == nil
}

// repository is the id of one that the caller may see.
func (b *Browser) repository(ctx context.Context, by auth.Caller, repo string) (int64, error) {
	if err := b.judge.Permit(ctx, b.db, by, auth.Read, metadata.CanonicalName(repo)); err != nil {
		return 0, err
	}
	return b.db.Repository(ctx, repo)
}

// cut makes a page of n from a list that was asked for one entry more.
func cut[T any](list []T, n int) (page []T, more bool) {
	if len(list) <= n {
		return list, false
	}
	return list[:n], true
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
