package image

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/images/gc"
	"cove/layers"
)

// Refs are the keys, as a collector has them, of an image's own manifest, config and
// layers.
func (i *Image) Refs() []string {
	refs := []string{i.Target.Digest.String(), i.Descriptor.Digest.String(), i.ID.String()}
	return append(refs, LayerRefs(i.Layers)...)
}

// LayerRefs are the keys of layers: their blobs, and the snapshots that they unpack to.
func LayerRefs(ls []layers.Layer) []string {
	var refs []string
	for n, l := range ls {
		refs = append(refs, l.Blob.Digest.String(), gc.SnapshotPrefix+string(chainOf(ls[:n+1])))
	}
	return refs
}

// Bare is a descriptor without what belongs to the document it came from.
func Bare(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}
}
