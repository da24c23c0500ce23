// Package repack packs layers another way than the build or the base has them, once each:
// what was made is known to the cache.
package repack

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/builder/cache"
	"cove/builder/export"
	"cove/builder/solve"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/stream"
)

// Format is a way to pack a layer.
type Format struct {
	// Name is the format's for people, Key names what comes out of it: other bytes need
	// another one.
	Name, Key string
	// Is says of a layer that it is packed so, or that it is none to be packed.
	Is func(ocispec.Descriptor) bool
	// Write packs a tar, and describes the layer but for its digest and size.
	Write func(w io.Writer, tar io.Reader) (layers.Layer, error)
}

// Packer packs layers.
type Packer struct {
	Format
	// Layers are those to be packed, Content is where they come when they are.
	Layers  content.Provider
	Content content.Store
	// Records remember what was packed.
	Records solve.Cache
	Now     func() time.Time
	// Keep is told of the blob of a layer as soon as it is known to be there.
	Keep func(context.Context, digest.Digest) error
}

// Images packs the layers of images that are over the lowest ones, as many as below says.
func (p Packer) Images(ctx context.Context, images []export.Image, below func(export.Image) int) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2) // each is packed on one core, and unpacked beside
	for i := range images {
		img := &images[i]
		img.Layers = slices.Clone(img.Layers) // the steps have the others
		for k := below(*img); k < len(img.Layers); k++ {
			g.Go(func() (err error) {
				img.Layers[k], err = p.Pack(gctx, img.Layers[k])
				return err
			})
		}
	}
	return g.Wait()
}

// Pack returns a layer in the format, which may have been made before.
func (p Packer) Pack(ctx context.Context, l layers.Layer) (layers.Layer, error) {
	if p.Is(l.Blob) {
		return l, nil
	}
	key := digest.FromString(p.Key + " " + l.Blob.Digest.String())
	if known, err := p.Records.Get(ctx, key); err == nil && known.Blob.Digest != "" {
		if err := p.Keep(ctx, known.Blob.Digest); err != nil {
			return layers.Layer{}, err
		}
		if blob, err := p.Content.Open(ctx, known.Blob); err == nil {
			return layers.Layer{Blob: known.Blob, DiffID: known.DiffID}, blob.Close()
		}
	}
	made, err := p.pack(ctx, l)
	if err != nil {
		return layers.Layer{}, fmt.Errorf("packing the layer %s as %s: %w", l.Blob.Digest, p.Name, err)
	}
	// A record that is not kept costs the time of packing again.
	_ = p.Records.Put(ctx, key, cache.Record{
		DiffID: made.DiffID, Blob: made.Blob, Created: p.Now(), Step: p.Name + " of " + l.Blob.Digest.String(),
	})
	return made, nil
}

// pack writes the layer into the content store.
func (p Packer) pack(ctx context.Context, l layers.Layer) (made layers.Layer, err error) {
	blob, err := p.Layers.Open(ctx, l.Blob)
	if err != nil {
		return made, err
	}
	defer blob.Close()
	tar, err := compress.NewReader(ctx, content.NewReader(blob), compress.Limits{})
	if err != nil {
		return made, err
	}
	defer tar.Close()
	id := "repack-" + rand.Text()
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
	if made, err = p.Write(cw, tar); err != nil {
		return made, err
	}
	made.Blob.Digest, made.Blob.Size = cw.Digest(), cw.Offset()
	if err = p.Keep(ctx, made.Blob.Digest); err != nil {
		return made, err
	}
	return made, cw.Commit(ctx, made.Blob)
}

// Compressed is the format of a compression: the tar stays, byte for byte, and so does the
// layer's diffID.
func Compressed(opt compress.Options) (Format, error) {
	mediaType, err := opt.Compression.MediaType()
	if err != nil {
		return Format{}, err
	}
	probe, err := compress.NewWriter(io.Discard, opt)
	if err != nil {
		return Format{}, err
	}
	if err := probe.Close(); err != nil {
		return Format{}, err
	}
	name := string(opt.Compression)
	if opt.Compression == "" {
		name = string(compress.Gzip)
	}
	return Format{
		Name: name, Key: "compressed 1 " + probe.Compressor(),
		Is: func(d ocispec.Descriptor) bool {
			is, known := compression(d.MediaType)
			return !known || string(is) == name
		},
		Write: func(w io.Writer, tar io.Reader) (l layers.Layer, err error) {
			zw, err := compress.NewWriter(w, opt)
			if err != nil {
				return l, err
			}
			hash := stream.NewHash()
			if _, err = io.Copy(io.MultiWriter(zw, hash), tar); err != nil {
				_ = zw.Close() // the first error says what went wrong
				_ = hash.Sum()
				return l, errdefs.Errorf(errdefs.KindOf(err), "%w", err)
			}
			l.DiffID = layers.DiffID(hash.Sum())
			l.Blob.MediaType = mediaType
			return l, zw.Close()
		},
	}, nil
}

// compression is that of a layer's media type, of the image specification or docker's. A
// layer that nobody may pass on has none that is known here.
func compression(mediaType string) (c compress.Compression, known bool) {
	base, packed := mediaType, ""
	if i := strings.LastIndexAny(mediaType, "+"); i > 0 {
		base, packed = mediaType[:i], mediaType[i+1:]
	} else if before, found := strings.CutPrefix(mediaType, dockerLayer+"."); found {
		base, packed = dockerLayer, before
	}
	if base != ocispec.MediaTypeImageLayer && base != dockerLayer {
		return "", false
	}
	switch packed {
	case "":
		return compress.None, true
	case "gzip":
		return compress.Gzip, true
	case "zstd":
		return compress.Zstd, true
	}
	return "", false
}

// dockerLayer is the media type of a layer of docker's image manifest, version 2, schema 2.
const dockerLayer = "application/vnd.docker.image.rootfs.diff.tar"
