// Package listing reads lists as Harbor's API gives them out: page by page, each with how
// many entries there are in all, and with the numbers that stand for things there. What a
// caller may not see is in no list.
package listing

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
	"cove/registry/metadata/removed"
)

// Page is a part of a list: N entries after Skip others, of those that Terms leave, sorted
// by Sort. A term that a list does not know is errdefs.ErrUnsupported, an order
// errdefs.ErrInvalid.
type Page struct {
	Skip, N int
	Terms   []Term
	Sort    []string // names, with a - before those that are turned
}

// Lists reads them.
type Lists struct{ Q db.Querier }

// Project is a project.
type Project struct {
	ID           int64 // small enough for clients that read 32 bits
	Name, Owner  string
	Public       bool
	CreatedAt    time.Time
	Repositories int64
}

// Projects narrows a list of projects: "" and nil narrow nothing.
type Projects struct {
	Name   string // part of it
	Exact  bool   // Name is all of it
	Public *bool
	Owner  string
}

const (
	projectOf = `p.number, p.name, p.created_by, p.public, p.created_at,
		(SELECT COUNT(*) FROM repositories r WHERE r.project_id = p.id
			AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id))`
	visibleProject = removed.Visible + ` AND ($1 = 1 OR p.public = 1
		OR EXISTS (SELECT 1 FROM account_access a WHERE a.user_id = $2 AND a.project_id IN (p.id, 0))) `
	visibleRepository = `($1 = 1 OR p.public = 1
		OR EXISTS (SELECT 1 FROM account_access a WHERE a.user_id = $2 AND ` + people.MatchesRepository + `)) `
)

var fieldsOfProjects = map[string]field{
	"name": {column: "p.name"}, "owner": {column: "p.created_by"}, "owner_name": {column: "p.created_by"},
	"public": {column: "p.public", kind: flags}, "id": {column: "p.number", kind: counts},
	"project_id": {column: "p.number", kind: counts}, "creation_time": {column: "p.created_at", kind: times},
	"update_time": {column: "p.created_at", kind: times},
}

func scanProject(s db.Scanner) (p Project, err error) {
	var public, created int64
	err = s.Scan(&p.ID, &p.Name, &p.Owner, &public, &created, &p.Repositories)
	p.Public, p.CreatedAt = public != 0, time.UnixMicro(created).UTC()
	return p, err
}

// Projects lists projects by name, and counts all that there are.
func (l Lists) Projects(ctx context.Context, by metadata.Viewer, of Projects, page Page) ([]Project, int64, error) {
	public := int64(-1)
	if of.Public != nil {
		public = flag(*of.Public)
	}
	from := "FROM projects p WHERE " + visibleProject + `AND p.name LIKE $3 ESCAPE '\' AND ($4 = -1 OR p.public = $4)
		AND ($5 = '' OR p.created_by = $5) `
	args := []any{flag(by.All), by.UserID, pattern(of.Name, of.Exact), public, of.Owner}
	return list(ctx, l.Q, scanProject, query{
		from: from, columns: projectOf, order: "p.name", args: args, fields: fieldsOfProjects,
	}, page)
}

// ProjectByID is the name of a project; errdefs.ErrNotFound if there is none.
func (l Lists) ProjectByID(ctx context.Context, id int64) (name string, err error) {
	err = l.Q.Row(ctx, "SELECT name FROM projects WHERE number = $1", id).Scan(&name)
	if err != nil {
		err = db.NotFound(err, "project %d does not exist", id)
	}
	return name, err
}

// Project is a project by its name, whoever asks.
func (l Lists) Project(ctx context.Context, name string) (Project, error) {
	p, err := scanProject(l.Q.Row(ctx, "SELECT "+projectOf+" FROM projects p WHERE p.name = $1", name))
	if err != nil {
		err = db.NotFound(err, "project %q does not exist", name)
	}
	return p, err
}

// Upstream is the number of the registry that a proxy project shows: of those at its address, the
// first that has the same user; 0 if it is none of them.
func (l Lists) Upstream(ctx context.Context, projectID int64) (id int64, err error) {
	err = l.Q.Row(ctx, `SELECT COALESCE(MIN(e.id), 0) FROM proxies x JOIN endpoints e
		ON e.host = x.host AND e.user_name = x.user_name WHERE x.project_id = $1`, projectID).Scan(&id)
	return id, db.Unavailable(err)
}

// AccountByID is the name of an account of a kind; errdefs.ErrNotFound if there is none.
func (l Lists) AccountByID(ctx context.Context, kind string, id int64) (name string, err error) {
	err = l.Q.Row(ctx, "SELECT name FROM users WHERE kind = $1 AND id = $2", kind, id).Scan(&name)
	if err != nil {
		err = db.NotFound(err, "%s %d does not exist", kind, id)
	}
	return name, err
}

// GroupByID is the name of a group; errdefs.ErrNotFound if there is none.
func (l Lists) GroupByID(ctx context.Context, id int64) (name string, err error) {
	err = l.Q.Row(ctx, "SELECT name FROM user_groups WHERE id = $1", id).Scan(&name)
	if err != nil {
		err = db.NotFound(err, "group %d does not exist", id)
	}
	return name, err
}

// User is an account of a person.
type User struct {
	ID        int64
	Name      string
	Admin     bool
	CreatedAt time.Time
	people.Details
}

// Users lists the accounts of people whose name contains match, by name.
func (l Lists) Users(ctx context.Context, match string, page Page) ([]User, int64, error) {
	return list(ctx, l.Q, func(s db.Scanner) (u User, err error) {
		var admin, created int64
		err = s.Scan(&u.ID, &u.Name, &admin, &created, &u.Email, &u.Realname, &u.Comment)
		u.Admin, u.CreatedAt = admin != 0, time.UnixMicro(created).UTC()
		return u, err
	}, query{
		columns: `u.id, u.name, u.admin, u.created_at, COALESCE(d.email, ''), COALESCE(d.realname, ''),
			COALESCE(d.comment, '')`, order: "u.name", fields: map[string]field{
			"username": {column: "u.name"}, "user_id": {column: "u.id", kind: counts},
			"sysadmin_flag": {column: "u.admin", kind: flags}, "creation_time": {column: "u.created_at", kind: times},
			"update_time": {column: "u.created_at", kind: times},
		},
		from: `FROM users u LEFT JOIN user_details d ON d.user_id = u.id WHERE u.kind = $1 AND LOWER(u.name) LIKE $2 ESCAPE '\' `,
		args: []any{people.KindUser, pattern(match, false)},
	}, page)
}

// Group is a group of people.
type Group struct {
	ID   int64
	Name string
}

// Groups lists the groups whose name contains match, by name.
func (l Lists) Groups(ctx context.Context, match string, page Page) ([]Group, int64, error) {
	return list(ctx, l.Q, func(s db.Scanner) (g Group, err error) { return g, s.Scan(&g.ID, &g.Name) }, query{
		columns: "g.id, g.name", order: "g.name", fields: map[string]field{
			"id": {column: "g.id", kind: counts}, "group_name": {column: "g.name"},
		},
		from: `FROM user_groups g WHERE LOWER(g.name) LIKE $1 ESCAPE '\' `, args: []any{pattern(match, false)},
	}, page)
}

// Counts are how many projects and repositories the caller may see.
func (l Lists) Counts(ctx context.Context, by metadata.Viewer) (projects, repositories [2]int64, err error) {
	count := func(from string, into *[2]int64) error {
		return db.Unavailable(l.Q.Row(ctx, "SELECT COALESCE(SUM(1 - p.public), 0), COALESCE(SUM(p.public), 0) "+from,
			flag(by.All), by.UserID).Scan(&into[0], &into[1]))
	}
	if err = count("FROM projects p WHERE "+visibleProject, &projects); err != nil {
		return projects, repositories, err
	}
	err = count(`FROM repositories r JOIN projects p ON p.id = r.project_id WHERE `+visibleRepository+
		`AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id)`, &repositories)
	return projects, repositories, err
}

// Repository is a repository that holds something.
type Repository struct {
	ID, ProjectID      int64
	Name               string
	Public             bool
	Artifacts          int64
	CreatedAt, Updated time.Time
	Description        string
}

var fieldsOfRepositories = map[string]field{
	"name": {column: "r.name"}, "id": {column: "r.id", kind: counts}, "repository_id": {column: "r.id", kind: counts},
	"project_id": {column: "p.number", kind: counts}, "creation_time": {column: "r.created_at", kind: times},
	"update_time": {
		column: "(SELECT COALESCE(MAX(t.updated_at), r.created_at) FROM tags t WHERE t.repository_id = r.id)", kind: times,
	},
}

// byItself says of a manifest x that it is no part of an index and belongs to no other, by its
// subject or by a tag as cosign ties signatures with: Harbor counts and lists those alone.
const byItself = `x.subject = '' AND NOT EXISTS (SELECT 1 FROM manifest_refs c
		WHERE c.repository_id = x.repository_id AND c.digest = x.digest AND c.is_manifest = 1)
	AND NOT EXISTS (SELECT 1 FROM tags s WHERE s.repository_id = x.repository_id AND s.digest = x.digest
		AND s.name LIKE 'sha256-%.sig')`

const repositoryOf = `r.id, p.number, r.name, p.public, (SELECT COUNT(*) FROM manifests x
		WHERE x.repository_id = r.id AND ` + byItself + `),
	r.created_at, COALESCE((SELECT MAX(t.updated_at) FROM tags t WHERE t.repository_id = r.id), 0),
	COALESCE((SELECT d.text FROM repository_descriptions d WHERE d.repository_id = r.id), '')`

func scanRepository(s db.Scanner) (r Repository, err error) {
	var public, created, updated int64
	err = s.Scan(&r.ID, &r.ProjectID, &r.Name, &public, &r.Artifacts, &created, &updated, &r.Description)
	r.Public, r.CreatedAt = public != 0, time.UnixMicro(created).UTC()
	r.Updated = time.UnixMicro(max(created, updated)).UTC()
	return r, err
}

// Repository is one by its name, whoever asks.
func (l Lists) Repository(ctx context.Context, name string) (Repository, error) {
	r, err := scanRepository(l.Q.Row(ctx, "SELECT "+repositoryOf+
		" FROM repositories r JOIN projects p ON p.id = r.project_id WHERE r.name = $1", name))
	if err != nil {
		err = db.NotFound(err, "repository %q does not exist", name)
	}
	return r, err
}

// Repositories lists the repositories of a project, or with "" all that the caller may
// see, whose name contains match, by name.
func (l Lists) Repositories(
	ctx context.Context, by metadata.Viewer, project, match string, page Page,
) ([]Repository, int64, error) {
	return list(ctx, l.Q, scanRepository, query{
		columns: repositoryOf,
		from: `FROM repositories r JOIN projects p ON p.id = r.project_id WHERE ` + visibleRepository + `
			AND ($3 = '' OR p.name = $3) AND r.name LIKE $4 ESCAPE '\' AND r.name LIKE $5 ESCAPE '\'
			AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id) `,
		order: "r.name", args: []any{flag(by.All), by.UserID, project, pattern(match, false), by.Pattern()},
		fields: fieldsOfRepositories,
	}, page)
}

// Artifact is one that stands for itself: no manifest of an index, and nothing that refers
// to another.
type Artifact struct {
	Digest                  digest.Digest
	MediaType, ArtifactType string
	Size                    int64
	PushedAt                time.Time
}

// ID stands for the artifact in a repository.
func (a Artifact) ID(repository int64) int64 { return Number(repository, a.Digest.String()) }

const pulledAt = `(SELECT COALESCE(MAX(u.pulled_at), 0) FROM manifest_pulls u
	WHERE u.repository_id = x.repository_id AND u.digest = x.digest)`

var fieldsOfArtifacts = map[string]field{
	"digest": {column: "x.digest"}, "artifact_type": {column: "x.artifact_type"},
	"manifest_media_type": {column: "x.media_type"}, "push_time": {column: "x.pushed_at", kind: times},
	"pull_time": {column: pulledAt, kind: times},
	"tags": {
		presence: "SELECT 1 FROM tags t WHERE t.repository_id = x.repository_id AND t.digest = x.digest",
		compared: "t.name",
	},
	"labels": {
		presence: "SELECT 1 FROM artifact_labels l JOIN labels n ON n.id = l.label_id AND n.removed_at = 0 " +
			"WHERE l.repository_id = x.repository_id AND l.digest = x.digest",
		compared: "l.label_id", kind: counts,
	},
}

// Artifacts lists those of a repository, the newest first.
func (l Lists) Artifacts(ctx context.Context, repository int64, page Page) ([]Artifact, int64, error) {
	return list(ctx, l.Q, func(s db.Scanner) (a Artifact, err error) {
		var dgst string
		var pushed int64
		err = s.Scan(&dgst, &a.MediaType, &a.ArtifactType, &a.Size, &pushed)
		a.Digest, a.PushedAt = digest.Digest(dgst), time.UnixMicro(pushed).UTC()
		return a, err
	}, query{
		columns: `x.digest, x.media_type, x.artifact_type, x.size + COALESCE((SELECT SUM(b.size) FROM manifest_refs f
			JOIN blobs b ON b.digest = f.digest WHERE f.repository_id = x.repository_id AND f.manifest = x.digest
				AND f.is_manifest = 0), 0), x.pushed_at`,
		from:  `FROM manifests x WHERE x.repository_id = $1 AND ` + byItself + " ",
		order: "x.pushed_at DESC, x.digest", args: []any{repository}, fields: fieldsOfArtifacts,
	}, page)
}

// Tag is a tag of an artifact.
type Tag struct {
	Name     string
	Digest   digest.Digest
	PushedAt time.Time
}

// ID stands for the tag in a repository.
func (t Tag) ID(repository int64) int64 { return Number(repository, t.Name) }

// Tags lists the tags of an artifact by name.
func (l Lists) Tags(ctx context.Context, repository int64, of digest.Digest, page Page) ([]Tag, int64, error) {
	return list(ctx, l.Q, func(s db.Scanner) (t Tag, err error) {
		var dgst string
		var at int64
		err = s.Scan(&t.Name, &dgst, &at)
		t.Digest, t.PushedAt = digest.Digest(dgst), time.UnixMicro(at).UTC()
		return t, err
	}, query{
		columns: "t.name, t.digest, t.updated_at", order: "t.name", fields: map[string]field{
			"name": {column: "t.name"}, "push_time": {column: "t.updated_at", kind: times},
		},
		from: "FROM tags t WHERE t.repository_id = $1 AND t.digest = $2 ", args: []any{repository, of.String()},
	}, page)
}

// query is a statement that a page, and the number of all, are read by.
type query struct {
	columns, from, order string // from ends within its WHERE
	args                 []any
	fields               map[string]field // by which it is narrowed and sorted
}

func list[T any](
	ctx context.Context, q db.Querier, scan func(db.Scanner) (T, error), of query, page Page,
) (items []T, total int64, err error) {
	if err = of.narrow(page.Terms); err != nil {
		return nil, 0, err
	}
	if err = of.sort(page.Sort); err != nil {
		return nil, 0, err
	}
	if err = q.Row(ctx, "SELECT COUNT(*) "+of.from, of.args...).Scan(&total); err != nil {
		return nil, 0, db.Unavailable(err)
	}
	n := len(of.args)
	items, err = db.All(ctx, q, scan, "SELECT "+of.columns+" "+of.from+"ORDER BY "+of.order+
		" LIMIT $"+strconv.Itoa(n+1)+" OFFSET $"+strconv.Itoa(n+2), append(of.args, page.N, page.Skip)...)
	return items, total, err
}

// Number stands for what has no number of its own: 53 bits, as many as every reader of
// JSON keeps.
func Number(repository int64, name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt(nil, repository, 10)) // never fails
	_, _ = h.Write([]byte(" " + name))
	return int64(h.Sum64() >> 11)
}

// pattern is a text for LIKE, which is told that the escape is a backslash.
func pattern(text string, exact bool) string {
	text = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text))
	if exact {
		return text
	}
	return "%" + text + "%"
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
