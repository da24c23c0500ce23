package fsstore

import (
	"bytes"
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
)

var _ content.Putter = (*Store)(nil)

// Put implements content.Putter: the same bytes that are here already, as a manifest's are
// that is built or pushed again, are not written again.
func (s *Store) Put(ctx context.Context, desc ocispec.Descriptor, b []byte) error {
	if !content.Same(ctx, s, desc, b) {
		return content.WriteBlob(ctx, s, desc, bytes.NewReader(b))
	}
	// Who wrote them may have been killed before their name was durable.
	err := s.step(StepSyncDir, func() error { return s.syncDir(blobFolder(desc.Digest)) })
	return diskError("committing "+content.BlobName(desc.Digest), err)
}
