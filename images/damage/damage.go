// Package damage finds blobs whose bytes are no longer what their digest says, and throws
// them away, so that whoever brings them next stores them anew.
package damage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// Drop looks, after a failure that damage may be the reason of, which of
// the blobs no longer have their digest, and deletes them. It returns whether
// there were any, and the error with that reason.
func Drop(ctx context.Context, store content.Store, blobs []digest.Digest, err error) (bool, error) {
	// What is damaged is often not even a tar any more, and a registry that is
	// sent it finds it invalid.
	if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrInvalid) {
		return false, err
	}
	blobs = slices.DeleteFunc(slices.Clone(blobs), func(dgst digest.Digest) bool { return !rotten(ctx, store, dgst) })
	if len(blobs) == 0 {
		return false, err
	}
	for _, dgst := range blobs {
		if dropErr := store.Delete(ctx, dgst); dropErr != nil {
			return false, errors.Join(err, dropErr)
		}
	}
	return true, errdefs.Errorf(errdefs.ErrCorrupt, "%w: blob %s was damaged on disk; pull or load its image again",
		err, blobs[0])
}

// Explain is for who only reads the blobs: it drops those that are damaged,
// and says what to do of them, or of those that are gone.
func Explain(ctx context.Context, store content.Store, blobs []digest.Digest, err error) error {
	_, err = Drop(ctx, store, blobs, err)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	gone := slices.ContainsFunc(blobs, func(dgst digest.Digest) bool {
		_, err := store.Stat(ctx, dgst)
		return errors.Is(err, errdefs.ErrNotFound)
	})
	if gone {
		return fmt.Errorf("%w; pull or load its image again", err)
	}
	return err
}

// rotten reports whether a blob no longer has its digest. Its size is not
// asked about: a manifest that has it wrong does not make the blob bad.
func rotten(ctx context.Context, store content.Store, dgst digest.Digest) bool {
	desc := ocispec.Descriptor{Digest: dgst}
	r, err := store.Open(ctx, desc)
	if err == nil {
		_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), desc))
		_ = r.Close()
	}
	return errors.Is(err, errdefs.ErrCorrupt)
}

// Intact reports whether a manifest or config is here as its digest says. One
// that is damaged is deleted, so that it can be fetched again.
func Intact(ctx context.Context, store content.Store, desc ocispec.Descriptor) (bool, error) {
	_, err := content.ReadBlob(ctx, store, desc)
	switch {
	case errors.Is(err, errdefs.ErrCorrupt):
		if !rotten(ctx, store, desc.Digest) {
			return false, errdefs.Errorf(errdefs.ErrInvalid, "%w: what names it has its size wrong", err)
		}
		return false, store.Delete(ctx, desc.Digest)
	case errors.Is(err, errdefs.ErrNotFound):
		return false, nil
	}
	return err == nil, err
}
