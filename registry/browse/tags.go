package browse

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/auth"
	"cove/registry/db"
)

// Tag is a tag with what it names.
type Tag struct {
	Name         string
	Digest       digest.Digest
	MediaType    string
	ArtifactType string
	// Size is of all blobs that the artifact needs; of an index, those of its
	// manifests.
	Size      int64
	Platforms int64 // how many manifests an index lists
	PushedAt  time.Time
	PushedBy  string
}

// Order is how tags are sorted.
type Order string

// The orders; the zero Order is Newest.
const (
	Newest Order = "newest"
	ByName Order = "name"
)

// TagQuery asks for a page of tags; Last is the Cursor of the last one.
type TagQuery struct {
	Query
	Order Order
}

// Cursor names the tag as the last one of a page.
func (t Tag) Cursor() string { return strconv.FormatInt(t.PushedAt.UnixMicro(), 36) + "." + t.Name }

func parseCursor(text string) (at int64, name string, err error) {
	if text == "" {
		return 1<<62 - 1, "", nil
	}
	stamp, name, _ := strings.Cut(text, ".")
	at, err = strconv.ParseInt(stamp, 36, 64)
	if err != nil {
		return 0, "", invalid("page after %q: that is no tag's place in a list", text)
	}
	return at, name, nil
}

// selectTags tells SQLite the order of its joins (CROSS JOIN): left to itself it
// reads all references of a repository for each tag.
const selectTags = `SELECT t.name, t.digest, t.updated_at, t.updated_by, x.media_type, x.artifact_type,
		COALESCE((SELECT SUM(b.size) FROM manifest_refs f JOIN blobs b ON b.digest = f.digest
			WHERE f.repository_id = t.repository_id AND f.manifest = t.digest AND f.is_manifest = 0), 0)
		+ COALESCE((SELECT SUM(b.size) FROM manifest_refs c CROSS JOIN manifest_refs f CROSS JOIN blobs b
			WHERE c.repository_id = t.repository_id AND c.manifest = t.digest AND c.is_manifest = 1
				AND f.repository_id = c.repository_id AND f.manifest = c.digest AND f.is_manifest = 0
				AND b.digest = f.digest), 0),
		(SELECT COUNT(*) FROM manifest_refs c
			WHERE c.repository_id = t.repository_id AND c.manifest = t.digest AND c.is_manifest = 1)
	FROM tags t JOIN manifests x ON x.repository_id = t.repository_id AND x.digest = t.digest
	WHERE t.repository_id = $1 AND `

func scanTag(row db.Scanner) (t Tag, err error) {
	var dgst string
	var at int64
	err = row.Scan(&t.Name, &dgst, &at, &t.PushedBy, &t.MediaType, &t.ArtifactType, &t.Size, &t.Platforms)
	t.Digest, t.PushedAt = digest.Digest(dgst), time.UnixMicro(at)
	return t, err
}

// Tags lists the tags of a repository.
func (b *Browser) Tags(
	ctx context.Context, by auth.Caller, repo string, q TagQuery,
) (page []Tag, more bool, err error) {
	id, err := b.repository(ctx, by, repo)
	if err != nil {
		return nil, false, err
	}
	at, name, err := parseCursor(q.Last)
	if err != nil {
		return nil, false, err
	}
	matching := selectTags + db.AnyCase(b.db.Querier(), "t.name") + ` $2 ESCAPE '\' `
	if q.Order == ByName {
		page, err = db.All(ctx, b.db.Querier(), scanTag, matching+"AND t.name > $3 ORDER BY t.name LIMIT $4",
			id, q.pattern(), name, q.N+1)
	} else {
		page, err = db.All(ctx, b.db.Querier(), scanTag, matching+`AND (t.updated_at, t.name) < ($3, $4)
			ORDER BY t.updated_at DESC, t.name DESC LIMIT $5`, id, q.pattern(), at, name, q.N+1)
	}
	page, more = cut(page, q.N)
	return page, more, err
}

// CountTags counts the tags of a repository.
func (b *Browser) CountTags(ctx context.Context, by auth.Caller, repo string) (n int64, err error) {
	id, err := b.repository(ctx, by, repo)
	if err != nil {
		return 0, err
	}
	err = b.db.Querier().Row(ctx, "SELECT COUNT(*) FROM tags WHERE repository_id = $1", id).Scan(&n)
	return n, db.Unavailable(err)
}

// looked is how many of the newest artifacts are looked at for those without a tag.
const looked = 500

// Untagged lists, of the newest artifacts of a repository, those that have no tag,
// belong to no index and refer to no other artifact; at most n.
func (b *Browser) Untagged(ctx context.Context, by auth.Caller, repo string, n int) ([]Tag, error) {
	id, err := b.repository(ctx, by, repo)
	if err != nil {
		return nil, err
	}
	return db.All(ctx, b.db.Querier(), scanTag, `SELECT '', x.digest, x.pushed_at, x.pushed_by, x.media_type,
			x.artifact_type, COALESCE((SELECT SUM(b.size) FROM manifest_refs f JOIN blobs b ON b.digest = f.digest
				WHERE f.repository_id = x.repository_id AND f.manifest = x.digest AND f.is_manifest = 0), 0), 0
		FROM (SELECT * FROM manifests WHERE repository_id = $1 ORDER BY pushed_at DESC LIMIT $2) AS x
		WHERE x.subject = ''
			AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = x.repository_id AND t.digest = x.digest)
			AND NOT EXISTS (SELECT 1 FROM manifest_refs c WHERE c.repository_id = x.repository_id
				AND c.digest = x.digest AND c.is_manifest = 1)
		ORDER BY x.pushed_at DESC LIMIT $3`, id, looked, n)
}
