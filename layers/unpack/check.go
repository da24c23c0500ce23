package unpack

import (
	"context"
	"io"

	"cove/layers"
	"cove/layers/apply"
	"cove/layers/compress"
	"cove/layers/stream"
)

// Check reads a layer's blob, in any compression, to its end and returns
// errdefs.ErrCorrupt, naming the layer, unless it holds the tar that DiffID
// names. Unpack does the same on the way; Check is for a layer that it has no
// need to unpack, since a snapshot of that DiffID is there.
func Check(ctx context.Context, blob io.Reader, l layers.Layer, lim compress.Limits) error {
	tar, err := compress.NewReader(ctx, blob, lim)
	if err != nil {
		return err
	}
	defer tar.Close()
	hash := stream.NewHash()
	if _, err := io.Copy(hash, tar); err != nil {
		return err
	}
	// Padding after the compressed stream is the blob's too.
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return err
	}
	return apply.Verify(apply.Result{DiffID: layers.DiffID(hash.Sum())}, l)
}
