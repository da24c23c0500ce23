// Package side has the two sides of a replication: this registry and an endpoint.
package side

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/errdefs"
	"cove/reference"
	"cove/registry/replication/endpoint"
)

// Side is a registry that is copied from or to.
type Side interface {
	// Repositories lists those that a glob may choose, and perhaps others.
	Repositories(ctx context.Context, glob string) ([]string, error)
	Repository(name string) Repository
	// Prepare makes what a push to a repository needs.
	Prepare(ctx context.Context, name string) error
}

// Repository is one at a side.
type Repository interface {
	copy.Source
	copy.Target
	Tags(ctx context.Context) ([]string, error)
	Stat(ctx context.Context, ref string) (ocispec.Descriptor, error)
	DeleteTag(ctx context.Context, tag string) error
}

// Here is this registry.
type Here struct{ Registry distribution.Registry }

// Prepare is Side's: a push makes what it needs.
func (h Here) Prepare(context.Context, string) error { return nil }

// Repositories is Side's.
func (h Here) Repositories(ctx context.Context, _ string) ([]string, error) {
	return paged(func(p distribution.Page) ([]string, bool, error) { return h.Registry.Repositories(ctx, p) })
}

// Repository is Side's.
func (h Here) Repository(name string) Repository {
	return localRepository{&copy.Local{Registry: h.Registry, Repo: name}}
}

type localRepository struct{ *copy.Local }

// Tags is Repository's.
func (l localRepository) Tags(ctx context.Context) ([]string, error) {
	return paged(func(p distribution.Page) ([]string, bool, error) { return l.Registry.Tags(ctx, l.Repo, p) })
}

// Stat is Repository's.
func (l localRepository) Stat(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	if dgst, err := reference.ParseDigest(ref); err == nil {
		return l.Registry.StatManifest(ctx, l.Repo, dgst)
	}
	return l.Registry.StatTag(ctx, l.Repo, ref)
}

// DeleteTag is Repository's.
func (l localRepository) DeleteTag(ctx context.Context, tag string) error {
	return l.Registry.DeleteTag(ctx, l.Repo, tag)
}

// paged reads a list to its end.
func paged(list func(distribution.Page) ([]string, bool, error)) (all []string, err error) {
	p := distribution.Page{N: 1000}
	for {
		some, more, err := list(p)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if !more || len(some) == 0 {
			return all, nil
		}
		p.Last = some[len(some)-1]
	}
}

// There is an endpoint.
type There struct{ Line *endpoint.Line }

// Prepare is Side's.
func (t There) Prepare(ctx context.Context, name string) error { return t.Line.Prepare(ctx, name) }

// Repositories is Side's.
func (t There) Repositories(ctx context.Context, glob string) ([]string, error) {
	return t.Line.Repositories(ctx, glob)
}

// Repository is Side's.
func (t There) Repository(name string) Repository { return remoteRepository{t.Line.Remote(name)} }

type remoteRepository struct{ *copy.Remote }

// Tags is Repository's.
func (r remoteRepository) Tags(ctx context.Context) ([]string, error) { return r.Repo.Tags(ctx) }

// Stat is Repository's.
func (r remoteRepository) Stat(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	return r.Repo.Stat(ctx, ref)
}

// DeleteTag deletes a tag alone. Registries from before that take only digests, which
// would delete what other tags name too: that is refused.
func (r remoteRepository) DeleteTag(ctx context.Context, tag string) error {
	err := r.Repo.Delete(ctx, tag)
	if errors.Is(err, errdefs.ErrUnsupported) || errors.Is(err, errdefs.ErrInvalid) {
		err = errdefs.Errorf(
			errdefs.ErrUnsupported,
			"%s deletes no tags without what they name: %w",
			r.Repo.Host(),
			err,
		)
	}
	return err
}

// Slowed is a source that gives no more than its limit lets it.
type Slowed struct {
	copy.Source
	Wait func(ctx context.Context, bytes int) error
	Most int // bytes that are waited for at once
}

// Open is content.Provider's.
func (s Slowed) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := s.Source.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	return slowReader{r, ctx, s}, nil
}

type slowReader struct {
	content.Reader
	ctx context.Context //nolint:containedctx // content.Provider: it lasts as long as the reader
	of  Slowed
}

// ReadAt is io.ReaderAt's: it fills p, a piece after the other.
func (r slowReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+r.of.Most)]
		if err := r.of.Wait(r.ctx, len(piece)); err != nil {
			return n, err
		}
		var some int
		some, err = r.Reader.ReadAt(piece, off+int64(n))
		n += some
	}
	return n, err
}
