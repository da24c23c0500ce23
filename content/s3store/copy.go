package s3store

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/s3store/objects"
	"cove/errdefs"
)

// CopyFrom makes an object of any bucket of the same service a blob under desc.Digest.
// The bytes are read and hashed, and then copied by the service itself, if they are
// still those that were read. Bytes that are not desc's are errdefs.ErrCorrupt.
func (s *Store) CopyFrom(ctx context.Context, desc ocispec.Descriptor, from *objects.Bucket, key string) error {
	to, err := blobKey(desc.Digest)
	if err != nil {
		return err
	}
	r, err := from.Open(ctx, key)
	if err != nil {
		return err
	}
	size, etag := r.Size(), r.ETag()
	got, err := desc.Digest.Algorithm().FromReader(content.Until(ctx, content.NewReader(r)))
	err = errors.Join(err, r.Close())
	switch {
	case err != nil:
		return err
	case desc.Size != 0 && desc.Size != size:
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", size, desc.Size)
	case got != desc.Digest:
		return wrongBytes(desc.Digest, size, got)
	}
	err = s.bucket.CopyFrom(ctx, objects.Copied{Bucket: from, Key: key, Size: size, ETag: etag}, to)
	if errors.Is(err, errdefs.ErrExists) {
		err = errdefs.Errorf(errdefs.ErrConflict, "%s%s was replaced while it was copied", from.Name(), key)
	}
	if err != nil {
		return fmt.Errorf("copying blob %s: %w", desc.Digest, err)
	}
	return nil
}
