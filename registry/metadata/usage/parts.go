package usage

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
)

// mostParts bounds what goes with manifests.
const mostParts = 1_000_000

// WithParts are manifests of a repository together with those that only they list and
// that have no tag: what goes with them, what lists others before what it lists. More
// than a million are errdefs.ErrExhausted.
func WithParts(
	ctx context.Context, q db.Querier, repository int64, manifests []digest.Digest,
) (all []digest.Digest, err error) {
	going := map[digest.Digest]bool{}
	for _, d := range manifests {
		going[d] = true
	}
	all = slices.Clone(manifests)
	for next := manifests; len(next) > 0; {
		children, err := childrenOf(ctx, q, repository, next)
		if err != nil {
			return nil, err
		}
		next = nil
		for _, child := range children {
			if going[child] {
				continue
			}
			kept, err := listedByOthers(ctx, q, repository, child, going)
			if err != nil {
				return nil, err
			}
			if !kept {
				going[child] = true
				next = append(next, child)
			}
		}
		if all = append(all, next...); len(all) > mostParts {
			return nil, errdefs.Errorf(errdefs.ErrExhausted, "they list more than %d manifests", mostParts)
		}
	}
	return all, nil
}

func scanDigest(s db.Scanner) (d digest.Digest, err error) { return d, s.Scan(&d) }

// childrenOf are the manifests without a tag that others list.
func childrenOf(
	ctx context.Context, q db.Querier, repository int64, parents []digest.Digest,
) (children []digest.Digest, err error) {
	for part := range slices.Chunk(parents, db.ListMost) {
		in, args := db.List(part, repository)
		some, err := db.All(ctx, q, scanDigest, `SELECT f.digest FROM manifest_refs f
			WHERE f.repository_id = $1 AND f.is_manifest = 1 AND f.manifest IN (`+in+`)
			AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = f.repository_id AND t.digest = f.digest)`,
			args...)
		if err != nil {
			return nil, err
		}
		children = append(children, some...)
	}
	return children, nil
}

func listedByOthers(
	ctx context.Context, q db.Querier, repository int64, child digest.Digest, going map[digest.Digest]bool,
) (bool, error) {
	parents, err := db.All(ctx, q, scanDigest,
		"SELECT manifest FROM manifest_refs WHERE repository_id = $1 AND digest = $2 AND is_manifest = 1",
		repository, child.String())
	return slices.ContainsFunc(parents, func(d digest.Digest) bool { return !going[d] }), err
}
