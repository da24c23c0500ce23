// Package diff turns a change of a directory into a layer.
//
// The change is an overlay's upper directory, walked once, or the difference
// of two trees where there is no overlay. Either way the bytes are passed
// once: walk → tar → (diffID ‖ compressor → content). Equal trees give equal
// layers on any machine.
package diff

import (
	"context"
	"io"
	"time"

	"cove/content"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/mount"
)

// AnnotationCompressor is the annotation of a layer's descriptor that names
// the compressor which made it, as [compress.Writer.Compressor] does.
const AnnotationCompressor = "cove.layer.compressor"

// Options say what a layer is made of. The zero value is a gzip layer.
type Options struct {
	Compress compress.Options
	// SourceDate, if not zero, is the latest time that an entry may carry
	// (SOURCE_DATE_EPOCH).
	SourceDate time.Time
	// ID is the id of the content write; empty is a random one. A write that
	// fails is aborted.
	ID string
	// Skip, if set, leaves out names; see [archive.PackOptions].
	Skip func(name string) bool
}

// Commit stores what m changed as a layer and describes it. m is an active
// snapshot that nobody writes to any more: of an overlay its Upper is the
// change; of a bind it is the difference between its Source and the directory
// in Lower, or all of Source when there is none.
//
// An upper directory that was written with redirect_dir or metacopy does not
// hold the whole change and is errdefs.ErrUnsupported.
func Commit(ctx context.Context, in content.Ingester, m mount.Mount, opt Options) (layers.Layer, error) {
	return layers.Layer{}, errdefs.Errorf(errdefs.ErrUnsupported, "diff: not wired yet")
}

// Write writes what m changed as an uncompressed tar.
func Write(ctx context.Context, w io.Writer, m mount.Mount, opt Options) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "diff: not wired yet")
}

// Stream stores as a layer what fill writes, entry by entry; fill need not
// close its writer. A COPY that already knows its files and their digests
// makes its layer so, with no snapshot in between.
func Stream(ctx context.Context, in content.Ingester, opt Options, fill func(*archive.Writer) error) (layers.Layer, error) {
	return layers.Layer{}, errdefs.Errorf(errdefs.ErrUnsupported, "diff: not wired yet")
}

// FromTar stores the uncompressed tar r as a layer, byte for byte.
func FromTar(ctx context.Context, in content.Ingester, r io.Reader, opt Options) (layers.Layer, error) {
	return layers.Layer{}, errdefs.Errorf(errdefs.ErrUnsupported, "diff: not wired yet")
}
