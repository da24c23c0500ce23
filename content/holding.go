package content

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Holding returns an Ingester that puts each digest under the lease before it
// commits it: for writers who learn a digest only at the end, so that no
// collector comes between the commit and the lease.
func Holding(in Ingester, lease Lease) Ingester { return holder{in, lease} }

type holder struct {
	Ingester
	lease Lease
}

func (h holder) Begin(ctx context.Context, id string) (Writer, error) {
	w, err := h.Ingester.Begin(ctx, id)
	if err != nil {
		return nil, err
	}
	return holdingWriter{w, h.lease}, nil
}

type holdingWriter struct {
	Writer
	lease Lease
}

func (w holdingWriter) Commit(ctx context.Context, desc ocispec.Descriptor) error {
	if err := w.lease.Add(ctx, desc.Digest.String()); err != nil {
		return err
	}
	return w.Writer.Commit(ctx, desc)
}
