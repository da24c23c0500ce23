package store

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/records"
)

// The records beside the bytes follow the database: they are durable before the
// transaction of a push, so that what is acknowledged can be found again without
// the database, and settled after it by what the database says then. Both happen
// under the locks of the digest and of the tags.

// keep makes a manifest's bytes, and the records of its push, durable. Call settle once it
// is stored.
func (r *Registry) keep(
	ctx context.Context, repo string, m distribution.Manifest, tags []string,
) (settle func(context.Context) error, err error) {
	bytes := func() error { return r.keepManifest(ctx, m) }
	if r.records == nil {
		return func(context.Context) error { return nil }, bytes()
	}
	return r.records.Push(ctx, records.Manifest{
		Repository: repo, Digest: m.Descriptor.Digest, MediaType: m.Descriptor.MediaType, By: actor(ctx),
	}, tags, bytes)
}

// writeRecords has the records say what the database says of a manifest and of tags.
// What fails here leaves a record too many, which harms nobody.
func (r *Registry) writeRecords(ctx context.Context, repo string, dgst digest.Digest, tags []string) {
	if r.records == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if _, err := r.db.ManifestByDigest(ctx, repo, dgst); dgst != "" && errors.Is(err, errdefs.ErrNotFound) {
		errs = append(errs, r.records.RemoveManifest(ctx, repo, dgst))
	}
	for _, tag := range tags {
		desc, err := r.db.ManifestByTag(ctx, repo, tag)
		if err == nil || errors.Is(err, errdefs.ErrNotFound) {
			errs = append(errs, r.records.KeepTag(ctx, repo, tag, desc.Digest))
		}
	}
	r.recordStays(ctx, repo, errors.Join(errs...))
}

// recordStays tells of a record that could not be removed.
func (r *Registry) recordStays(ctx context.Context, repo string, err error) {
	if err != nil {
		r.log.WarnContext(ctx, "a record of what was removed stays", "repository", repo, "error", err)
	}
}

// lockPush locks what a push, or a delete, of a manifest changes.
func (r *Registry) lockPush(
	ctx context.Context, repo string, dgst digest.Digest, tags []string,
) (unlock func(), err error) {
	var keys []string
	if dgst != "" {
		keys = append(keys, dgst.String())
	}
	for _, tag := range tags {
		keys = append(keys, metadata.TagKey(repo, tag))
	}
	return r.db.Lock(ctx, keys...)
}
