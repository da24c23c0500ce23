package store

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// defaultPage is the length of a page when the request names none.
const defaultPage = 1000

// Tags implements distribution.Lister.
func (r *Registry) Tags(ctx context.Context, repo string, p distribution.Page) ([]string, bool, error) {
	repoID, err := r.db.Repository(ctx, metadata.CanonicalName(repo))
	if err != nil {
		return nil, false, r.orNoRepository(ctx, repo, err)
	}
	return page(p, func(n int) ([]string, error) { return r.db.Tags(ctx, repoID, p.Last, n) })
}

// Repositories implements distribution.Lister: those that the caller may see.
func (r *Registry) Repositories(ctx context.Context, p distribution.Page) ([]string, bool, error) {
	viewer := auth.CallerOf(ctx).Viewer()
	return page(p, func(n int) ([]string, error) { return r.db.Repositories(ctx, viewer, p.Last, n) })
}

// page asks for one entry more than fits, to know whether there are more.
func page(p distribution.Page, list func(n int) ([]string, error)) ([]string, bool, error) {
	n := p.N
	if n <= 0 {
		n = defaultPage
	}
	names, err := list(n + 1)
	if err != nil || len(names) <= n {
		return names, false, err
	}
	return names[:n], true, nil
}

// Referrers implements distribution.Lister.
func (r *Registry) Referrers(
	ctx context.Context, repo string, q distribution.ReferrersQuery,
) ([]ocispec.Descriptor, bool, error) {
	if q.N <= 0 {
		q.N = defaultPage
	}
	return r.db.Referrers(ctx, metadata.CanonicalName(repo), metadata.ReferrersQuery{
		Subject: q.Subject, ArtifactType: q.ArtifactType, Last: q.Last, N: q.N, Bytes: distribution.MaxReferrers,
	})
}
