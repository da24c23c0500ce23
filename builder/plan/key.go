package plan

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/layers"
)

// keyVersion begins every key: a change of what ops mean must change it.
const keyVersion = "cove.plan.v1"

// Define returns the digest of what op means, apart from what it works on.
// Two ops that would do the same to the same files have the same digest. What
// only people see (names, locations), and what must not invalidate (proxy
// settings, whether a secret is there) is not in it.
func Define(op Op) digest.Digest {
	return sum(op.kind(), meaning(op))
}

// meaning returns the part of op that its key is made of.
func meaning(op Op) any {
	switch op := op.(type) {
	case *Base:
		ids := make([]layers.DiffID, len(op.Layers))
		for i, l := range op.Layers {
			ids[i] = l.DiffID
		}
		return ids
	case *Run:
		run := *op
		run.ProxyEnv, run.Platform = nil, ocispec.Platform{}
		return run
	}
	return op
}

// definition returns the digest of a vertex whose parent and inputs have theirs.
func (g *Graph) definition(v *Vertex) digest.Digest {
	parts := []any{Define(v.Op), ""}
	if v.Parent != None {
		parts[1] = g.Vertices[v.Parent].Definition
	}
	for _, in := range v.Inputs {
		parts = append(parts, g.Vertices[in].Definition)
	}
	return sum(parts...)
}

// sum is the digest of the canonical JSON of parts: encoding/json writes maps
// sorted and structs in order, so equal values give equal bytes.
func sum(parts ...any) digest.Digest {
	d := digest.SHA256.Digester()
	enc := json.NewEncoder(d.Hash())
	_ = enc.Encode(keyVersion) // a hash takes every write
	for _, p := range parts {
		_ = enc.Encode(p) // the ops hold nothing that cannot be encoded
	}
	return d.Digest()
}

// Add appends a vertex with its ID and Definition and returns the ID. Its parent and
// inputs must be in the graph already.
func (g *Graph) Add(v Vertex) ID {
	v.ID = ID(len(g.Vertices))
	v.Definition = g.definition(&v)
	g.Vertices = append(g.Vertices, &v)
	return v.ID
}
