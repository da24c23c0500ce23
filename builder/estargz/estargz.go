// Package estargz packs layers so that a runtime with the stargz snapshotter can begin
// before it has all of them, and any other client reads them as gzip: each file is a
// member of its own, and a table of contents comes after the tar.
//
// The table is in what the stream unpacks to, so the layer has another diffID than the
// step's own; and where files lie in the stream is known only once all are packed. So a
// layer is packed anew, once, from the one that the step made.
package estargz

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
	"cove/builder/solve"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/stream"
)

// Name is the compression's, as buildx calls it.
const Name = "estargz"

// defaultLevel is that of gzip which the format's own tools take.
const defaultLevel = 9

// version is part of what names a layer that was packed: other bytes need another one.
const version = "1"

// Packer packs layers.
type Packer struct {
	Content content.Store
	// Records remember what was packed.
	Records solve.Cache
	// Level is gzip's, 1 to 9; 0 is the usual one.
	Level int
	Now   func() time.Time
}

// Pack returns a layer in the format, which may have been made before; keep is told its
// blob as soon as it is known to be there.
func (p Packer) Pack(ctx context.Context, l layers.Layer, keep func(digest.Digest) error) (layers.Layer, error) {
	level := p.Level
	if level == 0 {
		level = defaultLevel
	}
	if l.Blob.Annotations[estargz.TOCJSONDigestAnnotation] != "" {
		return l, nil
	}
	key := digest.FromString(Name + " " + version + " " + strconv.Itoa(level) + " " + l.Blob.Digest.String())
	if known, err := p.Records.Get(ctx, key); err == nil && known.Blob.Digest != "" {
		if err := keep(known.Blob.Digest); err != nil {
			return layers.Layer{}, err
		}
		if blob, err := p.Content.Open(ctx, known.Blob); err == nil {
			return layers.Layer{Blob: known.Blob, DiffID: known.DiffID}, blob.Close()
		}
	}
	made, err := p.pack(ctx, l, level, keep)
	if err != nil {
		return layers.Layer{}, fmt.Errorf("packing the layer %s as estargz: %w", l.Blob.Digest, err)
	}
	// A record that is not kept costs the time of packing again.
	_ = p.Records.Put(ctx, key, cache.Record{
		DiffID: made.DiffID, Blob: made.Blob, Created: p.Now(), Step: "estargz of " + l.Blob.Digest.String(),
	})
	return made, nil
}

// pack writes the layer into the content store.
func (p Packer) pack(
	ctx context.Context, l layers.Layer, level int, keep func(digest.Digest) error,
) (made layers.Layer, err error) {
	blob, err := p.Content.Open(ctx, l.Blob)
	if err != nil {
		return made, err
	}
	defer blob.Close()
	tar, err := compress.NewReader(ctx, content.NewReader(blob), compress.Limits{})
	if err != nil {
		return made, err
	}
	defer tar.Close()
	id := "estargz-" + rand.Text()
	cw, err := p.Content.Begin(ctx, id)
	if err != nil {
		return made, err
	}
	defer func() {
		if err != nil {
			_ = cw.Close()
			_ = p.Content.Abort(context.WithoutCancel(ctx), id)
		}
	}()
	if made, err = Write(cw, tar, level); err != nil {
		return made, err
	}
	made.Blob.Digest, made.Blob.Size = cw.Digest(), cw.Offset()
	if err = keep(made.Blob.Digest); err != nil {
		return made, err
	}
	return made, cw.Commit(ctx, made.Blob)
}

// Write packs a tar, byte for byte what it was, and describes the layer but for its
// digest and size.
func Write(w io.Writer, tar io.Reader, level int) (l layers.Layer, err error) {
	// What comes out is unpacked again beside: that the layer's diffID is that of these
	// bytes is then known, and not believed.
	pr, pw := io.Pipe()
	type sum struct {
		digest digest.Digest
		size   int64
		err    error
	}
	unpacked := make(chan sum, 1)
	go func() {
		var s sum
		hash := stream.NewHash()
		zr, err := compress.NewReader(context.Background(), bufio.NewReader(pr), compress.Limits{})
		if err == nil {
			s.size, err = io.Copy(hash, zr)
			err = errors.Join(err, zr.Close())
		}
		s.digest, s.err = hash.Sum(), err
		_ = pr.CloseWithError(err)
		unpacked <- s
	}()
	zw := estargz.NewWriterLevel(io.MultiWriter(w, pw), level)
	err = zw.AppendTarLossLess(tar)
	var toc digest.Digest
	if err == nil {
		toc, err = zw.Close()
	}
	_ = pw.CloseWithError(err)
	s := <-unpacked
	if err = errors.Join(err, s.err); err != nil {
		return l, errdefs.Errorf(errdefs.KindOf(err), "estargz: %w", err)
	}
	l.DiffID = layers.DiffID(s.digest)
	l.Blob = ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayerGzip,
		Annotations: map[string]string{
			estargz.TOCJSONDigestAnnotation:         toc.String(),
			estargz.StoreUncompressedSizeAnnotation: strconv.FormatInt(s.size, 10),
		},
	}
	return l, nil
}
