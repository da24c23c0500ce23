package image

import (
	"github.com/opencontainers/go-digest"

	"cove/layers"
)

// Pairs are blobs with the diffIDs that they unpack to, as images say that vouch for it.
// The zero value has none.
type Pairs struct {
	of    map[digest.Digest]bool
	pairs map[pair]bool
}

type pair struct {
	blob digest.Digest
	diff layers.DiffID
}

// Knows says whether a target was added.
func (p *Pairs) Knows(target digest.Digest) bool { return p.of[target] }

// Add adds the layers of a target.
func (p *Pairs) Add(target digest.Digest, ls []layers.Layer) {
	if p.of == nil {
		p.of, p.pairs = map[digest.Digest]bool{}, map[pair]bool{}
	}
	p.of[target] = true
	for _, l := range ls {
		p.pairs[pair{l.Blob.Digest, l.DiffID}] = true
	}
}

// Has says whether a layer's blob and diffID are together in one of them.
func (p *Pairs) Has(l layers.Layer) bool { return p.pairs[pair{l.Blob.Digest, l.DiffID}] }
