// Package settings keeps which projects are proxies of other registries, and what
// was pulled through them.
package settings

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/db"
)

// Proxy is a project that shows what another registry has.
type Proxy struct {
	ProjectID int64
	Project   string
	// Host is the registry, as docker.io; repositories there begin with Prefix.
	Host, Prefix string
	// Plain allows HTTP, and certificates that nobody vouches for.
	Plain bool
	User  string
	// Secret is sealed.
	Secret string
	// Repositories are globs of those that may be pulled, by their names within the
	// project, with a space between two.
	Repositories string
	// FreshFor is how long a tag is taken to be what it was; KeepFor how long something
	// stays after its last pull, 0 is for ever.
	FreshFor, KeepFor time.Duration
	Rate              int64 // bytes a second; 0 is without a limit
	Connections       int   // blobs at once; 0 is the standard
	CreatedAt         time.Time
}

const selectProxy = `SELECT x.project_id, p.name, x.host, x.prefix, x.plain, x.user_name, x.secret, x.repositories,
	x.fresh_for, x.keep_for, x.rate, x.connections, x.created_at FROM proxies x JOIN projects p ON p.id = x.project_id `

func scan(s db.Scanner) (p Proxy, err error) {
	var plain, fresh, keep, created int64
	err = s.Scan(&p.ProjectID, &p.Project, &p.Host, &p.Prefix, &plain, &p.User, &p.Secret, &p.Repositories,
		&fresh, &keep, &p.Rate, &p.Connections, &created)
	p.Plain, p.CreatedAt = plain != 0, time.UnixMicro(created)
	p.FreshFor, p.KeepFor = time.Duration(fresh)*time.Microsecond, time.Duration(keep)*time.Microsecond
	return p, err
}

// All lists the proxies by their projects' names.
func All(ctx context.Context, q db.Querier) ([]Proxy, error) {
	return db.All(ctx, q, scan, selectProxy+"ORDER BY p.name")
}

// Of is the proxy that a project is, or errdefs.ErrNotFound.
func Of(ctx context.Context, q db.Querier, project string) (Proxy, error) {
	p, err := scan(q.Row(ctx, selectProxy+"WHERE p.name = $1", project))
	return p, db.NotFound(err, "project %q is no proxy", project)
}

// Put makes a project a proxy, or changes the one that it is.
func Put(ctx context.Context, q db.Querier, p Proxy, now time.Time) error {
	_, err := q.Exec(ctx, `INSERT INTO proxies (project_id, host, prefix, plain, user_name, secret, repositories,
			fresh_for, keep_for, rate, connections, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (project_id) DO UPDATE SET host = excluded.host, prefix = excluded.prefix, plain = excluded.plain,
			user_name = excluded.user_name, secret = excluded.secret, repositories = excluded.repositories,
			fresh_for = excluded.fresh_for, keep_for = excluded.keep_for, rate = excluded.rate,
			connections = excluded.connections`,
		p.ProjectID, p.Host, p.Prefix, db.Number(p.Plain), p.User, p.Secret, p.Repositories,
		p.FreshFor.Microseconds(), p.KeepFor.Microseconds(), p.Rate, p.Connections, db.Micros(now))
	return db.Unavailable(err)
}

// Holds says whether a project holds anything.
func Holds(ctx context.Context, q db.Querier, projectID int64) (bool, error) {
	var one int
	err := q.Row(ctx, `SELECT 1 FROM repositories r WHERE r.project_id = $1
		AND (EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id)
		  OR EXISTS (SELECT 1 FROM repository_blobs b WHERE b.repository_id = r.id)) LIMIT 1`, projectID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, db.Unavailable(err)
}

// Remove makes an ordinary project of a proxy, which keeps what it has. It says
// whether it was one.
func Remove(ctx context.Context, q db.Querier, projectID int64) (bool, error) {
	if _, err := q.Exec(ctx, "DELETE FROM proxy_pulls WHERE project_id = $1", projectID); err != nil {
		return false, db.Unavailable(err)
	}
	changed, err := q.Exec(ctx, "DELETE FROM proxies WHERE project_id = $1", projectID)
	return changed > 0, db.Unavailable(err)
}

// Globs are those of Repositories.
func (p Proxy) Globs() []string { return strings.Fields(p.Repositories) }

// Upstream is the registry, and where in it the repositories are.
func (p Proxy) Upstream() string {
	if p.Prefix == "" {
		return p.Host
	}
	return p.Host + "/" + p.Prefix
}

// Pull is a tag or a digest that was pulled.
type Pull struct {
	ProjectID             int64
	Repository, Reference string
	// CheckedAt is when the upstream last said what it is.
	CheckedAt, PulledAt time.Time
}

// Checked is when a reference was last checked; the zero time says never.
func Checked(ctx context.Context, q db.Querier, projectID int64, repo, ref string) (time.Time, error) {
	var at int64
	err := q.Row(ctx, `SELECT checked_at FROM proxy_pulls WHERE project_id = $1 AND repository = $2 AND reference = $3`,
		projectID, repo, ref).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMicro(at), db.Unavailable(err)
}

// Note records a pull; an older time than what is there changes nothing.
func Note(ctx context.Context, q db.Querier, p Pull) error {
	checked := int64(0)
	if !p.CheckedAt.IsZero() {
		checked = db.Micros(p.CheckedAt)
	}
	_, err := q.Exec(ctx, `INSERT INTO proxy_pulls (project_id, repository, reference, checked_at, pulled_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, repository, reference) DO UPDATE SET
		checked_at = CASE WHEN proxy_pulls.checked_at < excluded.checked_at THEN excluded.checked_at
			ELSE proxy_pulls.checked_at END,
		pulled_at = CASE WHEN proxy_pulls.pulled_at < excluded.pulled_at THEN excluded.pulled_at
			ELSE proxy_pulls.pulled_at END`,
		p.ProjectID, p.Repository, p.Reference, checked, db.Micros(p.PulledAt))
	return db.Unavailable(err)
}

// Oldest lists what was last pulled before a time, the oldest first, at most n.
func Oldest(ctx context.Context, q db.Querier, projectID int64, before time.Time, n int) ([]Pull, error) {
	return db.All(ctx, q, func(s db.Scanner) (p Pull, err error) {
		var checked, pulled int64
		err = s.Scan(&p.Repository, &p.Reference, &checked, &pulled)
		p.ProjectID, p.CheckedAt, p.PulledAt = projectID, time.UnixMicro(checked), time.UnixMicro(pulled)
		return p, err
	}, `SELECT repository, reference, checked_at, pulled_at FROM proxy_pulls
		WHERE project_id = $1 AND pulled_at < $2 ORDER BY pulled_at LIMIT $3`, projectID, db.Micros(before), n)
}

// Forget removes the record of a pull, unless there was another since.
func Forget(ctx context.Context, q db.Querier, p Pull) error {
	_, err := q.Exec(ctx, `DELETE FROM proxy_pulls
		WHERE project_id = $1 AND repository = $2 AND reference = $3 AND pulled_at = $4`,
		p.ProjectID, p.Repository, p.Reference, db.Micros(p.PulledAt))
	return db.Unavailable(err)
}

// ParseUpstream reads [https://]HOST[:PORT][/PREFIX].
func ParseUpstream(text string) (host, prefix string, err error) {
	invalid := errdefs.Errorf(errdefs.ErrInvalid, "upstream %q: it is docker.io, HOST[:PORT] or HOST[:PORT]/PREFIX",
		text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && u.Scheme != "http" {
		return "", "", invalid
	}
	host, prefix = u.Host, strings.Trim(u.Path, "/")
	name, _, err := net.SplitHostPort(host)
	if err == nil && name == "" || prefix != "" && !reference.ValidRepository(prefix) {
		return "", "", invalid
	}
	switch host {
	case "index.docker.io", "registry-1.docker.io", "hub.docker.com", "registry.hub.docker.com":
		host = reference.DefaultRegistry
		if prefix == "v1" || prefix == "v2" { // of the address by which docker keeps its password
			prefix = ""
		}
	}
	return host, prefix, nil
}
