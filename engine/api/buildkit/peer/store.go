package peer

import (
	"context"
	"io"
	"slices"

	containerd "github.com/containerd/containerd/v2/core/content"
	containerderrors "github.com/containerd/errdefs"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/builds"
	"cove/engine/builds/lent"
	"cove/errdefs"
)

// store is a directory of the peer's with blobs.
type store struct {
	name  string
	blobs containerd.Store
}

// Caches are caches of which those that the peer lends are the peer's own directories.
func (p *Peer) Caches(all []builds.Cache) []builds.Cache {
	all = slices.Clone(all)
	for i, c := range all {
		if c.Type == builds.CacheLent {
			all[i].Store = lent.New(store{c.Dir, sessioncontent.NewCallerStore(p.caller, "local:"+c.Dir)})
		}
	}
	return all
}

// Open implements lent.Blobs.
func (s store) Open(ctx context.Context, dgst digest.Digest) (lent.Reader, error) {
	r, err := s.blobs.ReaderAt(ctx, ocispec.Descriptor{Digest: dgst})
	if err != nil {
		return nil, s.failed("reading", err)
	}
	return r, nil
}

// Write implements lent.Blobs.
func (s store) Write(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	err := containerd.WriteBlob(ctx, s.blobs, "cove-"+desc.Digest.String(), r, desc)
	if err != nil {
		return s.failed("writing", err)
	}
	return nil
}

func (s store) failed(doing string, err error) error {
	kind := errdefs.ErrUnavailable
	if containerderrors.IsNotFound(err) {
		kind = errdefs.ErrNotFound
	}
	return errdefs.Errorf(kind, "%s the client's %s: %w", doing, s.name, err)
}
