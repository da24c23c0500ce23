package client

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// Uploads remembers where unfinished uploads of large blobs are, beyond the life of
// this process: who pushes again after a kill goes on with them. It is safe for
// concurrent use.
type Uploads interface {
	// Upload is what was kept last of a blob on its way to a repository; "" is nothing.
	Upload(ctx context.Context, repo string, dgst digest.Digest) (location string, err error)
	// KeepUpload keeps a location in the place of what was there; "" forgets it.
	KeepUpload(ctx context.Context, repo string, dgst digest.Digest, location string) error
}

// recall takes up an upload of an earlier process, which ask then asks about.
func (u *upload) recall(ctx context.Context) (err error) {
	if u.recalled || u.opts.Uploads == nil || u.desc.Size <= wholeLimit {
		return nil
	}
	u.recalled = true
	u.kept, err = u.opts.Uploads.Upload(ctx, u.repo.name, u.desc.Digest)
	u.location = u.kept
	return err
}

// keep has a later process find the upload. One that goes in a single request
// cannot be gone on with.
func (u *upload) keep(ctx context.Context) error {
	if u.opts.Uploads == nil || u.desc.Size <= wholeLimit || u.kept == u.location {
		return nil
	}
	u.kept = u.location
	return u.opts.Uploads.KeepUpload(ctx, u.repo.name, u.desc.Digest, u.location)
}

// forget is for an upload that has become a blob.
func (u *upload) forget(ctx context.Context) error {
	u.location = ""
	return u.keep(ctx)
}
