package browse

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/labels"
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
	Labels    []labels.Label // of the artifact, by name
}

// Order is how tags are sorted.
type Order string

// The orders; the zero Order is Newest.
const (
	Newest Order = "newest"
	ByName Order = "name"
	// BySize has the largest first. It is for repositories of BySizeMost tags at most: the
	// sizes of all are added up for each page.
	BySize Order = "size"
)

// BySizeMost is up to how many tags are sorted by their size.
const BySizeMost = 1000

// TagQuery asks for a page of tags; Last is the Cursor of the last one.
type TagQuery struct {
	Query
	Order Order
	// Label, unless it is "", is the name of a label that the artifacts have.
	Label string
}

// Cursor names the tag as the last one of a page.
func (t Tag) Cursor() string {
	return strconv.FormatInt(t.PushedAt.UnixMicro(), 36) + "." + strconv.FormatInt(t.Size, 36) + "." + t.Name
}

// place is where a list goes on, in each order.
type place struct {
	at, size int64
	name     string
}

func parseCursor(text string) (p place, err error) {
	if text == "" {
		const all = 1<<62 - 1
		return place{all, all, ""}, nil
	}
	stamp, rest, _ := strings.Cut(text, ".")
	size, name, _ := strings.Cut(rest, ".")
	at, errAt := strconv.ParseInt(stamp, 36, 64)
	bytes, errSize := strconv.ParseInt(size, 36, 64)
	if errAt != nil || errSize != nil {
		return p, invalid("page after %q: that is no tag's place in a list", text)
	}
	return place{at, bytes, name}, nil
}

// columnsOfTag are what is told of a tag, which they call TAG, and of its manifest x. They tell
// SQLite the order of joins (CROSS JOIN): left to itself it reads all references of a
// repository for each tag.
const columnsOfTag = `SELECT TAG.name, TAG.digest, TAG.updated_at, TAG.updated_by, x.media_type, x.artifact_type,
		COALESCE((SELECT SUM(b.size) FROM manifest_refs f JOIN blobs b ON b.digest = f.digest
			WHERE f.repository_id = TAG.repository_id AND f.manifest = TAG.digest AND f.is_manifest = 0), 0)
		+ COALESCE((SELECT SUM(b.size) FROM manifest_refs c CROSS JOIN manifest_refs f CROSS JOIN blobs b
			WHERE c.repository_id = TAG.repository_id AND c.manifest = TAG.digest AND c.is_manifest = 1
				AND f.repository_id = c.repository_id AND f.manifest = c.digest AND f.is_manifest = 0
				AND b.digest = f.digest), 0) AS bytes,
		(SELECT COUNT(*) FROM manifest_refs c
			WHERE c.repository_id = TAG.repository_id AND c.manifest = TAG.digest AND c.is_manifest = 1) AS platforms
	`

// itsManifest joins it.
const itsManifest = "JOIN manifests x ON x.repository_id = TAG.repository_id AND x.digest = TAG.digest"

// named calls the tag in a part of a statement by its name there.
func named(part, name string) string { return strings.ReplaceAll(part, "TAG.", name+".") }

var (
	tagColumns = named(columnsOfTag, "t")
	selectTags = tagColumns + "FROM tags t " + named(itsManifest, "t") + " WHERE t.repository_id = $1 AND "
)

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
	last, err := parseCursor(q.Last)
	if err == nil && q.Order == BySize {
		err = b.sizeable(ctx, id, repo)
	}
	if err != nil {
		return nil, false, err
	}
	from, args := selectTags, []any{id, q.N + 1, last.name}
	param := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if q.Label != "" {
		param(q.Label) // which is $4
		if from, err = b.labelled(ctx, id, q.Label); err != nil {
			return nil, false, err
		}
	}
	matching := from
	if q.Match != "" { // a pattern of any name PostgreSQL takes to match few, and reads and sorts all tags for a page
		matching += db.AnyCase(b.db.Querier(), "t.name") + " " + param(q.pattern()) + ` ESCAPE '\' AND `
	}
	switch q.Order {
	case ByName:
		matching = paged(matching, "t.name > $3", " ORDER BY t.name", q)
	case BySize:
		matching = "SELECT * FROM (" + matching + "TRUE) AS sized WHERE (bytes, name) < (" + param(last.size) +
			", $3) ORDER BY bytes DESC, name DESC LIMIT $2"
	default:
		matching = paged(matching, "(t.updated_at, t.name) < ("+param(last.at)+", $3)",
			" ORDER BY t.updated_at DESC, t.name DESC", q)
	}
	if page, err = db.All(ctx, b.db.Querier(), scanTag, matching, args...); err != nil {
		return nil, false, err
	}
	page, more = cut(page, q.N)
	return page, more, b.label(ctx, id, page)
}

// paged is a statement for a page of tags after one. Unless few artifacts with a label are
// chosen, the page is taken first, with its length in the text, and what is told of each tag is
// read after: PostgreSQL, which knows neither how long a page is nor how few of the tags it
// needs, reads and joins all tags of the repository otherwise, as soon as it has made one plan
// for every page.
func paged(matching, after, order string, q TagQuery) string {
	conditions, simple := strings.CutPrefix(matching, selectTags)
	if !simple {
		return matching + after + order + " LIMIT $2"
	}
	return named(columnsOfTag, "here") + "FROM (SELECT * FROM tags t WHERE t.repository_id = $1 AND " +
		conditions + after + order + " LIMIT " + strconv.Itoa(q.N+1) + ") AS here " + named(itsManifest, "here") +
		strings.ReplaceAll(order, "t.", "here.") + " LIMIT $2"
}

// sizeable refuses to sort more tags by their size than a page has time for.
func (b *Browser) sizeable(ctx context.Context, id int64, repo string) error {
	var n int
	err := b.db.Querier().Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM tags WHERE repository_id = $1 LIMIT $2) AS counted",
		id, BySizeMost+1).Scan(&n)
	if err == nil && n > BySizeMost {
		return invalid("repository %s has more than %d tags, which are not sorted by size; sort them by newest or name",
			repo, BySizeMost)
	}
	return db.Unavailable(err)
}

// labelledArtifacts are those of the repository $1 that have a label of the name $4.
const labelledArtifacts = `SELECT a.digest FROM repositories r CROSS JOIN labels l CROSS JOIN artifact_labels a
	WHERE r.id = $1 AND l.project_id IN (0, r.project_id) AND l.name = $4 AND a.label_id = l.id
		AND a.repository_id = r.id`

// fewLabelled is up to how many artifacts with a label are looked up and sorted. When more
// have it, tags are looked through in their order until a page is full.
const fewLabelled = 500

// labelled is selectTags of artifacts with a label.
func (b *Browser) labelled(ctx context.Context, id int64, label string) (from string, err error) {
	var n int64
	err = b.db.Querier().Row(ctx, "SELECT COUNT(*) FROM ("+strings.ReplaceAll(labelledArtifacts, "$4", "$2")+
		" LIMIT $3) AS counted", id, label, fewLabelled+1).Scan(&n)
	if n > fewLabelled {
		return selectTags + `EXISTS (SELECT 1 FROM artifact_labels a JOIN labels l ON l.id = a.label_id
			WHERE a.repository_id = t.repository_id AND a.digest = t.digest AND l.name = $4) AND `, db.Unavailable(err)
	}
	return tagColumns + "FROM (SELECT DISTINCT digest FROM (" + labelledArtifacts + `) AS held) AS chosen
		CROSS JOIN tags t CROSS JOIN manifests x WHERE t.repository_id = $1 AND t.digest = chosen.digest
			AND x.repository_id = t.repository_id AND x.digest = t.digest AND `, db.Unavailable(err)
}

// label adds the labels of artifacts of a repository.
func (b *Browser) label(ctx context.Context, id int64, page []Tag) error {
	for some := range slices.Chunk(page, db.ListMost) {
		digests := make([]digest.Digest, len(some))
		for i, t := range some {
			digests[i] = t.Digest
		}
		on, err := labels.On(ctx, b.db.Querier(), id, digests...)
		if err != nil {
			return err
		}
		for i, t := range some {
			some[i].Labels = on[t.Digest]
		}
	}
	return nil
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
	// Whether there is a row is a value here, as PostgreSQL answers NOT EXISTS for 500 rows by reading all tags.
	page, err := db.All(ctx, b.db.Querier(), scanTag, `SELECT '', x.digest, x.pushed_at, x.pushed_by, x.media_type,
			x.artifact_type, COALESCE((SELECT SUM(b.size) FROM manifest_refs f JOIN blobs b ON b.digest = f.digest
				WHERE f.repository_id = x.repository_id AND f.manifest = x.digest AND f.is_manifest = 0), 0), 0
		FROM (SELECT * FROM manifests WHERE repository_id = $1 ORDER BY pushed_at DESC LIMIT $2) AS x
		WHERE x.subject = ''
			AND (SELECT 1 FROM tags t WHERE t.repository_id = x.repository_id AND t.digest = x.digest LIMIT 1) IS NULL
			AND (SELECT 1 FROM manifest_refs c WHERE c.repository_id = x.repository_id
				AND c.digest = x.digest AND c.is_manifest = 1 LIMIT 1) IS NULL
		ORDER BY x.pushed_at DESC LIMIT $3`, id, looked, n)
	if err != nil {
		return nil, err
	}
	return page, b.label(ctx, id, page)
}
