package usage

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// Share is what something holds, in bytes, each digest once.
type Share struct {
	Held int64 // in all
	// Alone is what nothing else in the registry has: what deleting it would free, once
	// the collector has been there. Counted is what would stop counting in the project.
	Alone, Counted int64
}

// Shared is what others have as well.
func (s Share) Shared() int64 { return s.Held - s.Alone }

// OfProject is the share of a project.
func OfProject(ctx context.Context, q db.Querier, project int64) (s Share, err error) {
	err = q.Row(ctx, `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM project_blobs o
			WHERE o.digest = b.digest AND o.project_id <> b.project_id) THEN 0 ELSE size END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN counted = 1 THEN size ELSE 0 END), 0) AS BIGINT)
		FROM project_blobs b WHERE b.project_id = $1`, project).Scan(&s.Held, &s.Alone, &s.Counted)
	return s, db.Unavailable(err)
}

// Whether another repository of the project of one, or another at all, has a digest d that
// this one has. They are no conditions that PostgreSQL would answer by reading whole tables
// into memory, as it does with EXISTS.
const (
	elsewhereInProject = `(SELECT p.repositories FROM digest_holders p WHERE p.digest = d.digest
		AND p.project_id = (SELECT project_id FROM repositories WHERE id = $1)) > 1`
	elsewhere = `(SELECT g.repositories FROM digest_holders g WHERE g.digest = d.digest AND g.project_id = 0) > 1`
)

// OfManifests is the share of manifests of a repository, if they went together.
func OfManifests(ctx context.Context, q db.Querier, repository int64, manifests []digest.Digest) (s Share, err error) {
	needs := map[digest.Digest]int64{} // by how many of the manifests
	for part := range slices.Chunk(manifests, db.ListMost) {
		in, args := db.List(part, repository)
		refs, err := db.All(ctx, q, scanDigest,
			`SELECT digest FROM manifest_refs WHERE repository_id = $1 AND is_manifest = 0 AND manifest IN (`+in+`)`, args...)
		if err != nil {
			return s, err
		}
		for _, d := range refs {
			needs[d]++
		}
	}
	for _, d := range manifests {
		needs[d]++
	}
	all := make([]digest.Digest, 0, len(needs))
	for d := range needs {
		all = append(all, d)
	}
	slices.Sort(all)
	for part := range slices.Chunk(all, db.ListMost) {
		if err := s.addPart(ctx, q, part, repository, needs); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Share) addPart(
	ctx context.Context, q db.Querier, part []digest.Digest, repository int64, needs map[digest.Digest]int64,
) error {
	in, args := db.List(part, repository)
	type row struct {
		digest               digest.Digest
		size, needed         int64
		project, elsewhereIn int64
	}
	rows, err := db.All(ctx, q, func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.digest, &r.size, &r.needed, &r.project, &r.elsewhereIn)
	}, `SELECT d.digest, d.size,
		(SELECT COUNT(*) FROM manifest_refs f WHERE f.repository_id = $1 AND f.digest = d.digest AND f.is_manifest = 0)
			+ (SELECT COUNT(*) FROM manifests m WHERE m.repository_id = $1 AND m.digest = d.digest),
		CASE WHEN `+elsewhereInProject+` THEN 1 ELSE 0 END, CASE WHEN `+elsewhere+` THEN 1 ELSE 0 END
		FROM blobs d WHERE d.digest IN (`+in+`)`, args...)
	for _, r := range rows {
		s.Held += r.size
		if r.needed > needs[r.digest] {
			continue // another manifest here
		}
		if r.project == 0 {
			s.Counted += r.size
		}
		if r.elsewhereIn == 0 {
			s.Alone += r.size
		}
	}
	return err
}
