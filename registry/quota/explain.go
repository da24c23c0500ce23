package quota

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata/usage"
)

// Share is what something holds, and what of it nothing else does.
type Share = usage.Share

// Explain tells what a project holds, a repository, or an artifact with all that only
// it lists, and what deleting it would free. A reference is PROJECT, or REPOSITORY with
// a slash in its name, with :TAG or @DIGEST for an artifact.
func (q *Quotas) Explain(ctx context.Context, by auth.Caller, ref string) (Share, error) {
	repo, tag, dgst := Cut(ref)
	if err := q.judge.Permit(ctx, q.db, by, Look, repo); err != nil {
		return Share{}, err
	}
	if !strings.Contains(ref, "/") {
		p, err := q.db.Project(ctx, ref)
		if err != nil {
			return Share{}, err
		}
		return usage.OfProject(ctx, q.db.Querier(), p.ID)
	}
	id, err := q.db.Repository(ctx, repo)
	if err != nil {
		return Share{}, err
	}
	if tag != "" {
		desc, err := q.db.ManifestByTag(ctx, repo, tag)
		if err != nil {
			return Share{}, err
		}
		dgst = desc.Digest
	}
	if dgst == "" {
		return usage.OfRepository(ctx, q.db.Querier(), id)
	}
	if err := dgst.Validate(); err != nil {
		return Share{}, errdefs.Errorf(errdefs.ErrInvalid, "digest %q: %w", dgst, err)
	}
	if _, err := q.db.ManifestByDigest(ctx, repo, dgst); err != nil {
		return Share{}, err
	}
	all, err := usage.WithParts(ctx, q.db.Querier(), id, []digest.Digest{dgst})
	if err != nil {
		return Share{}, err
	}
	return usage.OfManifests(ctx, q.db.Querier(), id, all)
}

// Cut takes a reference apart.
func Cut(ref string) (repo, tag string, dgst digest.Digest) {
	if repo, hex, ok := strings.Cut(ref, "@"); ok {
		return repo, "", digest.Digest(hex)
	}
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		return ref[:i], ref[i+1:], ""
	}
	return ref, "", ""
}

// mostLooked bounds the repositories that are looked through for those that somebody sees
// whose role is one in some of them.
const mostLooked = 1000

// Repositories lists those of a project that hold most and that the caller sees, at most n.
func (q *Quotas) Repositories(ctx context.Context, by auth.Caller, project string, n int) ([]usage.Largest, error) {
	if err := q.judge.Permit(ctx, q.db, by, Look, project); err != nil {
		return nil, err
	}
	p, err := q.db.Project(ctx, project)
	if err != nil {
		return nil, err
	}
	if q.judge.Permit(ctx, q.db, by, Look, project+"/"+rights.Everywhere) == nil {
		return usage.LargestRepositories(ctx, q.db.Querier(), p.ID, n)
	}
	all, err := usage.LargestRepositories(ctx, q.db.Querier(), p.ID, mostLooked)
	if err != nil {
		return nil, err
	}
	var seen []usage.Largest
	for _, one := range all {
		err := q.judge.Permit(ctx, q.db, by, Look, one.Repository)
		switch {
		case err != nil && !errors.Is(err, errdefs.ErrDenied):
			return nil, err
		case err == nil && len(seen) < n:
			seen = append(seen, one)
		}
	}
	return seen, nil
}
