package browse

import (
	"context"
	"strings"

	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata/people"
	"cove/registry/metadata/removed"
)

// Found is what a search finds: names of projects, of repositories with their
// project, and of artifacts as "team/app:v1" or "team/app@sha256:…".
type Found struct {
	Projects     []string
	Repositories []string
	Artifacts    []string
}

// None says that nothing was found.
func (f Found) None() bool { return len(f.Projects)+len(f.Repositories)+len(f.Artifacts) == 0 }

// minDigest is how much of a digest is searched for.
const minDigest = 6

const (
	visibleProject = removed.Visible + ` AND ($1 = 1 OR p.public = 1
	OR EXISTS (SELECT 1 FROM account_access a WHERE a.user_id = $2 AND a.project_id IN (p.id, 0))) `
	visible = `($1 = 1 OR p.public = 1
	OR EXISTS (SELECT 1 FROM account_access a WHERE a.user_id = $2 AND ` + people.MatchesRepository + `)) `
)

// Search looks for a text in all that the caller may see, at most n of each
// kind: in the names of projects and repositories, in tags after a colon
// ("app:v1"), and at the beginning of digests.
func (b *Browser) Search(ctx context.Context, by auth.Caller, text string, n int) (f Found, err error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return f, nil
	}
	s := search{b: b, by: by, n: n}
	hex := strings.TrimPrefix(text, "sha256:")
	if len(hex) >= minDigest && strings.Trim(hex, "0123456789abcdef") == "" {
		if f.Artifacts, err = s.digests(ctx, "sha256:"+hex); err != nil {
			return f, err
		}
	}
	if repo, tag, ok := strings.Cut(text, ":"); ok && repo != "sha256" {
		f.Artifacts, err = s.tags(ctx, repo, tag)
		return f, err
	}
	if f.Projects, err = s.names(ctx, "SELECT p.name FROM projects p WHERE "+visibleProject+
		`AND p.name LIKE $3 ESCAPE '\' ORDER BY p.name LIMIT $4`, text); err != nil {
		return f, err
	}
	f.Repositories, err = s.names(ctx, `SELECT r.name FROM repositories r JOIN projects p ON p.id = r.project_id
		WHERE `+visible+`AND r.name LIKE $3 ESCAPE '\'
			AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id)
		ORDER BY r.name LIMIT $4`, text)
	return f, err
}

type search struct {
	b  *Browser
	by auth.Caller
	n  int
}

func (s search) names(ctx context.Context, stmt, text string) ([]string, error) {
	v := s.by.Viewer()
	return db.All(ctx, s.b.db.Querier(), db.ScanString, stmt, flag(v.All), v.UserID, Query{Match: text}.pattern(), s.n)
}

func (s search) tags(ctx context.Context, repo, tag string) ([]string, error) {
	v := s.by.Viewer()
	prefix := strings.TrimPrefix(Query{Match: tag}.pattern(), "%")
	return db.All(ctx, s.b.db.Querier(), db.ScanString, `SELECT r.name || ':' || t.name FROM repositories r
		JOIN projects p ON p.id = r.project_id JOIN tags t ON t.repository_id = r.id
		WHERE `+visible+`AND r.name LIKE $3 ESCAPE '\' AND `+db.AnyCase(s.b.db.Querier(), "t.name")+` $4 ESCAPE '\'
		ORDER BY r.name, t.name LIMIT $5`, flag(v.All), v.UserID, Query{Match: repo}.pattern(), prefix, s.n)
}

func (s search) digests(ctx context.Context, prefix string) ([]string, error) {
	v := s.by.Viewer()
	// "g" sorts behind every digit of a digest
	return db.All(ctx, s.b.db.Querier(), db.ScanString, `SELECT r.name || '@' || x.digest FROM manifests x
		JOIN repositories r ON r.id = x.repository_id JOIN projects p ON p.id = r.project_id
		WHERE `+visible+`AND x.digest >= $3 AND x.digest < $4 ORDER BY x.digest LIMIT $5`,
		flag(v.All), v.UserID, prefix, prefix+"g", s.n)
}
