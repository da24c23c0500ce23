// Package layers is a filesystem layer, as a stream and as a directory.
//
// The packages below it do the work, from the ground up:
//
//	tree        a directory tree through descriptors: no path is ever joined
//	whiteout    the two forms of a deletion, in a tar and in an overlay
//	archive     tar in and out of a directory, safely
//	compress    detect, decompress beside the consumer, compress in parallel
//	stream      the stages that let one pass over the bytes use several cores
//	diff        a directory change as a layer
//	apply       a layer onto a directory
//	snapshot    a stack of applied layers: overlay, native; mount describes one
//	unpack      an image's layers as committed snapshots, several at once
//
// They know nothing of registries or containers.
package layers

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DiffID is the digest of a layer's uncompressed tar. It has a type of its own
// because beside a blob's digest, which looks the same, a mix-up compiles.
type DiffID digest.Digest

// ChainID names a stack of layers: the one with these diffIDs, lowest first.
type ChainID digest.Digest

// Layer is one layer: its stored blob and the tar inside.
type Layer struct {
	Blob   ocispec.Descriptor
	DiffID DiffID
}

// Chain returns the ChainID of a stack, lowest layer first, as the image
// specification defines it (config.md, "Layer ChainID"). No layers is "".
func Chain(diffIDs ...DiffID) ChainID {
	var chain ChainID
	for _, d := range diffIDs {
		chain = chain.Append(d)
	}
	return chain
}

// Append returns the ChainID of the stack with one more layer on top.
func (c ChainID) Append(d DiffID) ChainID {
	if c == "" {
		return ChainID(d)
	}
	return ChainID(digest.FromString(string(c) + " " + string(d)))
}
