package server

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/server/config"
	"cove/registry/store"
)

// locate is nil when every blob is served here.
func locate(s config.Storage, r *store.Registry) func(context.Context, string, digest.Digest) (string, error) {
	if s.S3 == nil || !s.S3.Redirect {
		return nil
	}
	return r.LocateBlob
}
