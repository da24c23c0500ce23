package server

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/former"
	"cove/registry/server/config"
	"cove/registry/store"
)

// locate is nil when every blob is served here.
func locate(s config.Storage, r *store.Registry) func(context.Context, string, digest.Digest) (string, error) {
	if s.S3 == nil || !s.S3.Redirect {
		return nil
	}
	return func(ctx context.Context, repo string, dgst digest.Digest) (string, error) {
		url, err := r.LocateBlob(ctx, former.Now(ctx, repo), dgst)
		if errors.Is(err, errdefs.ErrNotFound) {
			return "", nil // what is not here may come through a proxy
		}
		return url, err
	}
}
