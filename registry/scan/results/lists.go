package results

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/scannable"
	"cove/registry/scan/vulndb"
)

// Found is a vulnerability of a package that an artifact has.
type Found struct {
	vulndb.Finding
	Package, Version, Type string
	Title                  string // of the vulnerability; "" if nobody says
	Score                  float64
}

// Vulnerabilities are those of an artifact, the worst first. One that was not
// scanned is errdefs.ErrNotFound.
func (b *Book) Vulnerabilities(ctx context.Context, dgst digest.Digest) ([]Found, error) {
	var text string
	q := b.db.Querier()
	err := q.Row(ctx, "SELECT ids FROM scan_artifact_packages WHERE digest = $1", dgst.String()).Scan(&text)
	if err = db.NotFound(err, "%s was not scanned", dgst); err != nil {
		return nil, err
	}
	ids, err := unpackIDs(text)
	if err != nil {
		return nil, err
	}
	var list []Found
	for piece := range slices.Chunk(ids, once) {
		err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
			var f Found
			var score int64
			err := row.Scan(&f.Package, &f.Version, &f.Type, &f.Vulnerability, &f.Severity, &f.Fixed, &f.Status,
				&f.Title, &score)
			f.Score = float64(score) / 10
			list = append(list, f)
			return true, err
		}, `SELECT p.name, p.version, p.type, f.vulnerability, f.severity, f.fixed, f.status, f.title, f.score
			FROM scan_findings f JOIN scan_packages p ON p.id = f.package_id
			WHERE f.package_id IN (`+vulndb.Parameters(1, once)+")", padded(piece)...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, worstFirst)
	return list, describe(ctx, q, list)
}

// once is how many things one statement asks for.
const once = 100

// padded are the arguments of a statement that is the same for any number of things:
// the last one is repeated.
func padded[T any](piece []T) []any {
	args := make([]any, once)
	for i := range args {
		args[i] = piece[min(i, len(piece)-1)]
	}
	return args
}

// describe adds titles and scores.
func describe(ctx context.Context, q db.Querier, list []Found) error {
	var names []string
	for _, f := range list {
		names = append(names, f.Vulnerability)
	}
	slices.Sort(names)
	type words struct {
		title string
		score int64
	}
	said := map[string]words{}
	for piece := range slices.Chunk(slices.Compact(names), once) {
		err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
			var id string
			var w words
			err := row.Scan(&id, &w.title, &w.score)
			said[id] = words{cmp.Or(said[id].title, w.title), max(said[id].score, w.score)}
			return true, err
		}, `SELECT v.id, v.title, v.score FROM scan_vulnerabilities v
			JOIN scan_sources s ON s.id = v.source_id AND s.active = 1
			WHERE v.id IN (`+vulndb.Parameters(1, once)+")", padded(piece)...)
		if err != nil {
			return err
		}
	}
	for i, f := range list {
		// A scanner of others said both itself.
		list[i].Title = cmp.Or(f.Title, said[f.Vulnerability].title)
		list[i].Score = cmp.Or(f.Score, float64(said[f.Vulnerability].score)/10)
	}
	return nil
}

func worstFirst(a, b Found) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(b.Vulnerability, a.Vulnerability),
		strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version))
}

// Entry is an artifact in a list.
type Entry struct {
	Repository string
	Tags       []string // some of them
	Scan
}

// Query asks for a page of artifacts.
type Query struct {
	Project string // "" is all
	After   string // what Cursor said of the last one
	N       int
}

// Cursor is where the list goes on behind an entry.
func (e Entry) Cursor() string {
	c := e.Summary
	return strings.Join(
		[]string{number(c.Critical), number(c.High), number(c.Medium), e.Digest.String(), e.Repository},
		" ",
	)
}

// Worst lists artifacts by their vulnerabilities, those with the worst first.
func (b *Book) Worst(ctx context.Context, want Query) (page []Entry, more bool, err error) {
	after := []any{int64(maxCount), int64(maxCount), int64(maxCount), "~", "~"}
	if want.After != "" {
		if after, err = cursor(want.After); err != nil {
			return nil, false, err
		}
	}
	// The first of the two comparisons is what an index finds, the second says where among
	// the repositories of one artifact. Artifacts are chosen first, one more than rows are
	// wanted: the first may have no repository that comes after.
	stmt := "SELECT " + columns + `, r.name FROM (SELECT s.* FROM scan_artifacts s
			WHERE (s.critical, s.high, s.medium, s.digest) <= ($1, $2, $3, $4)
			AND EXISTS (SELECT 1 FROM manifests m WHERE m.digest = s.digest)
			ORDER BY s.critical DESC, s.high DESC, s.medium DESC, s.digest DESC LIMIT $6 + 1) a
		CROSS JOIN manifests m CROSS JOIN repositories r
		WHERE m.digest = a.digest AND r.id = m.repository_id
		AND (a.critical, a.high, a.medium, a.digest, r.name) < ($1, $2, $3, $4, $5)
		ORDER BY a.critical DESC, a.high DESC, a.medium DESC, a.digest DESC, r.name DESC LIMIT $6`
	args := append(after, want.N+1)
	if want.Project != "" {
		args = append(args, want.Project)
		// Here too: what is told of an image is read of those alone that are on the page.
		order := func(of string) string { return strings.ReplaceAll(worstOrder, "OF.", of+".") }
		stmt = "SELECT " + columns + `, chosen.name FROM (SELECT l.critical, l.high, l.medium, l.digest, r.name
				FROM scan_listed l CROSS JOIN repositories r
				WHERE l.project_id = (SELECT p.id FROM projects p WHERE p.name = $7) AND r.id = l.repository_id
				AND (l.critical, l.high, l.medium, l.digest) <= ($1, $2, $3, $4)
				AND (l.critical, l.high, l.medium, l.digest, r.name) < ($1, $2, $3, $4, $5)` +
			order("l") + "r.name DESC LIMIT " + strconv.Itoa(want.N+1) + `) chosen
			CROSS JOIN scan_artifacts a WHERE a.digest = chosen.digest` + order("chosen") + "chosen.name DESC LIMIT $6"
	}
	page, err = db.All(ctx, b.db.Querier(), scanEntry, stmt, args...)
	if err != nil {
		return nil, false, err
	}
	if more = len(page) > want.N; more {
		page = page[:want.N]
	}
	return page, more, b.addTags(ctx, page)
}

// worstOrder is the order of the worst, of OF; the name of the repository comes behind it.
const worstOrder = " ORDER BY OF.critical DESC, OF.high DESC, OF.medium DESC, OF.digest DESC, "

func scanEntry(row db.Scanner) (e Entry, err error) {
	var at int64
	err = row.Scan(append(e.fields(&at), &e.Repository)...)
	e.At = time.UnixMicro(at)
	return e, err
}

func (b *Book) addTags(ctx context.Context, page []Entry) (err error) {
	const some = 5
	for i := range page {
		page[i].Tags, err = db.All(ctx, b.db.Querier(), db.ScanString, `SELECT t.name FROM repositories r
			JOIN tags t ON t.repository_id = r.id AND t.digest = $2 WHERE r.name = $1 ORDER BY t.name LIMIT $3`,
			page[i].Repository, page[i].Digest.String(), some)
		if err != nil {
			return err
		}
	}
	return nil
}

// Having lists the artifacts that have a vulnerability, by digest.
func (b *Book) Having(ctx context.Context, vulnerability string, want Query) (page []Entry, more bool, err error) {
	q := b.db.Querier()
	of := map[int64]bool{}
	err = db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var id int64
		err := row.Scan(&id)
		of[id] = true
		return true, err
	}, "SELECT package_id FROM scan_findings WHERE vulnerability = $1", vulnerability)
	if err != nil || len(of) == 0 {
		return nil, false, err
	}
	for last := want.After; len(page) <= want.N; {
		artifacts, err := b.page(ctx, last, true)
		if err != nil {
			return nil, false, err
		}
		if len(artifacts) == 0 {
			break
		}
		last = artifacts[len(artifacts)-1].digest.String()
		for _, a := range artifacts {
			ids, err := unpackIDs(a.ids)
			if err != nil {
				return nil, false, err
			}
			if !slices.ContainsFunc(ids, func(id int64) bool { return of[id] }) {
				continue
			}
			entries, err := b.entries(ctx, a.digest)
			if err != nil {
				return nil, false, err
			}
			page = append(page, entries...)
		}
	}
	page, more = cutAt(page, want.N)
	return page, more, b.addTags(ctx, page)
}

// cutAt ends a page of about n entries behind all of one digest, which is its cursor.
func cutAt(page []Entry, n int) ([]Entry, bool) {
	for i := n; i < len(page); i++ {
		if page[i].Digest != page[i-1].Digest {
			return page[:i], true
		}
	}
	return page, false
}

// entries are an artifact in all the repositories that have it.
func (b *Book) entries(ctx context.Context, dgst digest.Digest) ([]Entry, error) {
	return db.All(ctx, b.db.Querier(), scanEntry, "SELECT "+columns+`, r.name FROM scan_artifacts a
		JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id
		WHERE a.digest = $1 ORDER BY r.name`, dgst.String())
}

// Waiting are images that were not scanned, of repository and digest, after a digest.
func (b *Book) Waiting(ctx context.Context, after string, n int) ([]Image, error) {
	return db.All(ctx, b.db.Querier(), func(row db.Scanner) (i Image, err error) {
		err = row.Scan(&i.Digest, &i.Repository)
		return i, err
	}, `SELECT m.digest, MIN(r.name) FROM manifests m JOIN repositories r ON r.id = m.repository_id
		LEFT JOIN scan_artifacts a ON a.digest = m.digest
		WHERE m.artifact_type IN ($1, $2) AND m.digest > $3 AND (a.digest IS NULL OR a.scanner = '' AND a.reader < $4)
		GROUP BY m.digest ORDER BY m.digest LIMIT $5`, append(scannable.Types(), after, reader, n)...)
}

// ImagesOf are the images that an index in a repository lists.
func ImagesOf(ctx context.Context, q db.Querier, index Image) ([]Image, error) {
	return db.All(ctx, q, func(row db.Scanner) (i Image, err error) {
		i.Repository = index.Repository
		err = row.Scan(&i.Digest)
		return i, err
	}, `SELECT m.digest FROM repositories r JOIN manifest_refs f ON f.repository_id = r.id AND f.manifest = $2
		JOIN manifests m ON m.repository_id = r.id AND m.digest = f.digest
		WHERE r.name = $1 AND m.artifact_type IN ($3, $4) ORDER BY m.digest`,
		append([]any{index.Repository, index.Digest.String()}, scannable.Types()...)...)
}

// PushedAt is when an image was pushed.
func PushedAt(ctx context.Context, q db.Querier, i Image) (time.Time, error) {
	var at int64
	err := q.Row(ctx, `SELECT m.pushed_at FROM repositories r JOIN manifests m ON m.repository_id = r.id AND m.digest = $2
		WHERE r.name = $1`, i.Repository, i.Digest.String()).Scan(&at)
	return time.UnixMicro(at), db.NotFound(err, "repository %s has no manifest %s", i.Repository, i.Digest)
}

// Image is a manifest of an image in a repository.
type Image struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
}

// Project is the project of the image.
func (i Image) Project() string { return metadata.ProjectOf(i.Repository) }

// Scannable says whether a manifest is that of an image. A descriptor that comes from
// another registry says nothing of its type as an artifact; the database does.
func Scannable(ctx context.Context, q db.Querier, desc ocispec.Descriptor) (bool, error) {
	if desc.ArtifactType != "" {
		return scannable.Is(desc.ArtifactType), nil
	}
	some, err := db.All(ctx, q, db.ScanString, `SELECT digest FROM manifests
		WHERE digest = $1 AND artifact_type IN ($2, $3) LIMIT 1`,
		append([]any{desc.Digest.String()}, scannable.Types()...)...)
	return len(some) > 0, err
}

// maxCount is greater than any count of vulnerabilities.
const maxCount = 1 << 40

func number(n int) string { return strconv.Itoa(n) }

// cursor reads what Cursor wrote.
func cursor(text string) ([]any, error) {
	words := strings.Split(text, " ")
	if len(words) != 5 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%q is no place in the list", text)
	}
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
		if i < 3 {
			n, err := strconv.ParseInt(w, 10, 64)
			if err != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "%q is no place in the list", text)
			}
			args[i] = n
		}
	}
	return args, nil
}
