// Package diff turns a change of a directory into a layer.
//
// The change is an overlay's upper directory, walked once, or the difference
// of two trees where there is no overlay. Either way the bytes are passed
// once: walk → tar → (diffID ‖ compressor → content). Equal trees give equal
// layers on any machine.
package diff

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/mount"
	"cove/layers/stream"
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

	owners mount.IDMap // of the mount
}

func (o Options) pack() archive.PackOptions {
	return archive.PackOptions{SourceDate: o.SourceDate, Layer: true, Skip: o.Skip, Owners: o.owners}
}

// Layer is a layer that was just made.
type Layer struct {
	layers.Layer
	// FileBytes is how long its files are together; it is for snapshot.Sizer.
	FileBytes int64
}

// Commit stores what m changed as a layer and describes it. m is an active
// snapshot that nobody writes to any more: of an overlay its Upper is the
// change; of a bind it is the difference between its Source and the directory
// in Lower, or all of Source when there is none.
//
// An upper directory that was written with redirect_dir or metacopy does not
// hold the whole change and is errdefs.ErrUnsupported.
func Commit(ctx context.Context, in content.Ingester, m mount.Mount, opt Options) (Layer, error) {
	return store(ctx, in, opt, func(w io.Writer) (int64, error) { return Write(ctx, w, m, opt) })
}

// Stream stores as a layer what fill writes, entry by entry; fill need not
// close its writer. A COPY that already knows its files and their digests
// makes its layer so, with no snapshot in between.
func Stream(
	ctx context.Context, in content.Ingester, opt Options, fill func(*archive.Writer) error,
) (Layer, error) {
	return store(ctx, in, opt, func(w io.Writer) (int64, error) {
		aw := archive.NewWriter(w, opt.pack())
		if err := fill(aw); err != nil {
			return 0, err
		}
		return aw.FileBytes(), aw.Close()
	})
}

// FromTar stores the uncompressed tar r as a layer, byte for byte. What is in it is
// known to who unpacks it: FileBytes is 0.
func FromTar(ctx context.Context, in content.Ingester, r io.Reader, opt Options) (Layer, error) {
	return store(ctx, in, opt, func(w io.Writer) (int64, error) {
		_, err := io.CopyBuffer(w, r, make([]byte, 256<<10))
		return 0, err
	})
}

// filler writes a tar, and returns how many bytes the files in it have.
type filler func(io.Writer) (fileBytes int64, err error)

// store passes what fill writes through hash and compressor into content.
func store(ctx context.Context, in content.Ingester, opt Options, fill filler) (Layer, error) {
	mediaType, err := opt.Compress.Compression.MediaType()
	if err != nil {
		return Layer{}, err
	}
	if opt.ID == "" {
		opt.ID = "layer-" + rand.Text()
	}
	cw, err := in.Begin(ctx, opt.ID)
	if err == nil && cw.Offset() > 0 { // left by a process that died: a layer always starts anew
		err = errors.Join(cw.Close(), in.Abort(ctx, opt.ID))
		if err == nil {
			cw, err = in.Begin(ctx, opt.ID)
		}
	}
	if err != nil {
		return Layer{}, fmt.Errorf("storing layer: %w", err)
	}
	layer, err := pass(ctx, cw, opt, mediaType, fill)
	if err != nil {
		_ = cw.Close()
		_ = in.Abort(context.WithoutCancel(ctx), opt.ID)
		return Layer{}, fmt.Errorf("storing layer: %w", err)
	}
	return layer, nil
}

func pass(
	ctx context.Context, cw content.Writer, opt Options, mediaType string, fill filler,
) (Layer, error) {
	zw, err := compress.NewWriter(cw, opt.Compress)
	if err != nil {
		return Layer{}, err
	}
	hash := stream.NewHash()
	fileBytes, err := fill(io.MultiWriter(hash, zw))
	if cerr := zw.Close(); err == nil { // after a failure it only repeats it
		err = cerr
	}
	diffID := layers.DiffID(hash.Sum())
	if err != nil {
		return Layer{}, err
	}
	desc := ocispec.Descriptor{
		MediaType:   mediaType,
		Digest:      cw.Digest(),
		Size:        cw.Offset(),
		Annotations: map[string]string{AnnotationCompressor: zw.Compressor()},
	}
	if err := cw.Commit(ctx, desc); err != nil {
		return Layer{}, err
	}
	return Layer{Layer: layers.Layer{Blob: desc, DiffID: diffID}, FileBytes: fileBytes}, nil
}
