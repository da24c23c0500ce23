// Package unpack turns an image's layers into committed snapshots.
package unpack

import (
	"context"
	"io"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/snapshot"
)

// Unpacker unpacks stacks of layers. Its fields are set before first use; it
// is then safe for concurrent use, also by several processes at once.
type Unpacker struct {
	Snapshots snapshot.Snapshotter
	// Archive and Compress bound and adapt what is applied.
	Archive  archive.Options
	Compress compress.Limits
	// Parallel is how many layers are open at once: 3 when zero. A
	// snapshotter that copies its parent unpacks one by one whatever it says.
	Parallel int
	// Hold, if set, is called with the key of each snapshot before it is made
	// and with the chainID before it is committed, so that the caller can put
	// them under a lease ("snapshot/" + key).
	Hold func(ctx context.Context, key string) error
	// Done, if set, is called after layer i is a committed snapshot, also for
	// one that was there already. Calls may come from several goroutines.
	Done func(i int, l layers.Layer)
}

// Have returns how many of the layers, counted from the lowest, are committed
// snapshots already. Unpack will not open those.
func (u *Unpacker) Have(ctx context.Context, ls []layers.Layer) (int, error) {
	return 0, errdefs.Errorf(errdefs.ErrUnsupported, "unpack: not wired yet")
}

// Unpack makes sure that every prefix of ls, lowest layer first, is a
// committed snapshot named by its chainID. open is called at most once for
// each layer that is missing, in order, from at most Parallel goroutines; the
// stream it returns is the blob as stored, in any compression, and is read to
// its end (so a caller may tee it into content) and closed.
//
// A layer whose tar is not the one its DiffID names is errdefs.ErrCorrupt and
// nothing of it is kept; the layers below it stay.
func (u *Unpacker) Unpack(ctx context.Context, ls []layers.Layer, open func(ctx context.Context, i int) (io.ReadCloser, error)) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "unpack: not wired yet")
}
