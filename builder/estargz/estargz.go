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
	"errors"
	"io"
	"strconv"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/repack"
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

// Format is the format with a level of gzip, 1 to 9; 0 is the usual one.
func Format(level int) repack.Format {
	if level == 0 {
		level = defaultLevel
	}
	return repack.Format{
		Name: Name, Key: Name + " " + version + " " + strconv.Itoa(level),
		Is:    func(d ocispec.Descriptor) bool { return d.Annotations[estargz.TOCJSONDigestAnnotation] != "" },
		Write: func(w io.Writer, tar io.Reader) (layers.Layer, error) { return Write(w, tar, level) },
	}
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
