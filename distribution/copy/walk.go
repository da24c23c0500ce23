package copy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/limit"
)

// What a source may make a copy keep in mind: manifests in all, how far one is
// from the root, and the bytes of all of them. Indexes of real images have tens of
// manifests in one or two steps, of some kilobytes each.
const (
	maxManifests = 10_000
	maxDepth     = 16
	maxBodies    = 128 << 20
)

// node is one manifest that will be copied.
type node struct {
	distribution.Manifest
	doc  *manifest.Manifest
	tags []string // it is to have, cosign's; not the copy's own
}

// graph is all that is reached from a root.
type graph struct {
	nodes map[digest.Digest]*node
	order []digest.Digest // of nodes, as they were found
	blobs []ocispec.Descriptor
	sizes map[digest.Digest]int64 // of blobs
	bytes int                     // of all bodies
}

// edge leads to a manifest.
type edge struct {
	desc    ocispec.Descriptor
	in      digest.Digest // the index that lists it, or ""
	subject digest.Digest // what it must refer to, or ""
	tags    []string      // it has at the source and is to have
	node    *node         // nil when it was not read yet

	referrers []*edge // from what it leads to, when that was read
}

// walk reads the manifests below root, those at one distance at once.
func (c *copier) walk(ctx context.Context, root *node) (*graph, error) {
	g := &graph{nodes: map[digest.Digest]*node{}, sizes: map[digest.Digest]int64{}}
	level := []*edge{{desc: root.Descriptor, node: root}}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return nil, errdefs.Errorf(errdefs.ErrExhausted,
				"manifest %s: what belongs to it is nested more than %d deep", root.Descriptor.Digest, maxDepth)
		}
		level = g.unseen(level)
		if len(g.nodes)+len(level) > maxManifests {
			return nil, errdefs.Errorf(errdefs.ErrExhausted, "manifest %s: more than %d manifests belong to it",
				root.Descriptor.Digest, maxManifests)
		}
		err := limit.Each(ctx, c.opts.Parallel, slices.Values(level), func(ctx context.Context, e *edge) (err error) {
			e.node, err = c.read(ctx, e)
			if errors.Is(err, errdefs.ErrNotFound) && e.subject != "" && e.in == "" {
				return nil // it is listed still, as lists under a tag do, and gone
			}
			if err != nil {
				return e.explain(err)
			}
			e.referrers, err = c.referrers(ctx, e.desc.Digest)
			return err
		})
		if err != nil {
			return nil, err
		}
		var next []*edge
		for _, e := range level {
			if e.node == nil {
				continue
			}
			if err := g.add(e.node); err != nil {
				return nil, err
			}
			next = append(next, e.node.children()...)
			next = append(next, e.referrers...)
		}
		level = next
	}
	return g, nil
}

// unseen drops the edges to what is in the graph or comes twice; their tags count.
func (g *graph) unseen(edges []*edge) (out []*edge) {
	at := map[digest.Digest]int{}
	for _, e := range edges {
		n := g.nodes[e.desc.Digest]
		i, again := at[e.desc.Digest]
		switch {
		case n != nil:
			n.tags = append(n.tags, e.tags...)
		case again:
			out[i].tags = append(out[i].tags, e.tags...)
			out[i].node, out[i].in = cmp.Or(out[i].node, e.node), cmp.Or(out[i].in, e.in)
		default:
			at[e.desc.Digest] = len(out)
			out = append(out, e)
		}
	}
	return out
}

// add takes a node in, with the blobs it names.
func (g *graph) add(n *node) error {
	if g.bytes += len(n.Body); g.bytes > maxBodies {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"manifest %s: the manifests that belong to the copy have more than %d bytes",
			n.Descriptor.Digest, maxBodies)
	}
	g.nodes[n.Descriptor.Digest] = n
	g.order = append(g.order, n.Descriptor.Digest)
	for _, need := range n.doc.Needs() {
		if need.Child {
			continue
		}
		size, known := g.sizes[need.Digest]
		switch {
		case !known:
			g.sizes[need.Digest] = need.Size
			g.blobs = append(g.blobs, need.Descriptor)
		case size != need.Size:
			return errdefs.Errorf(errdefs.ErrCorrupt,
				"manifest %s: says of blob %s that it has %d bytes, and another says %d",
				n.Descriptor.Digest, need.Digest, need.Size, size)
		}
	}
	return nil
}

// children are the manifests that an index lists.
func (n *node) children() (edges []*edge) {
	for _, d := range n.doc.Manifests {
		if manifest.IsManifest(d.MediaType) { // an index may list blobs, as some caches do
			edges = append(edges, &edge{desc: d, in: n.Descriptor.Digest})
		}
	}
	return edges
}

// levels are the nodes but root from the leaves up: each after all it lists. The
// root is among them only if another lists it.
func (g *graph) levels(root digest.Digest) [][]*node {
	heights := map[digest.Digest]int{}
	listed := false
	var height func(dgst digest.Digest) int
	height = func(dgst digest.Digest) int {
		if h, known := heights[dgst]; known {
			return h
		}
		h := 0
		for _, child := range g.nodes[dgst].children() {
			listed = listed || child.desc.Digest == root
			h = max(h, height(child.desc.Digest)+1)
		}
		heights[dgst] = h
		return h
	}
	var levels [][]*node
	for _, dgst := range g.order {
		for len(levels) <= height(dgst) {
			levels = append(levels, nil)
		}
	}
	for _, dgst := range g.order {
		if dgst != root || listed {
			levels[heights[dgst]] = append(levels[heights[dgst]], g.nodes[dgst])
		}
	}
	return levels
}

// read reads the manifest that e leads to, and holds it against what e says.
func (c *copier) read(ctx context.Context, e *edge) (*node, error) {
	n := e.node
	if n == nil {
		var err error
		if n, err = c.resolve(ctx, e.desc.Digest.String(), e.desc.MediaType); err != nil {
			return nil, err
		}
	}
	switch got := n.Descriptor; {
	case got.Size != e.desc.Size:
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s: has %d bytes and should have %d", got.Digest,
			got.Size, e.desc.Size)
	case e.subject != "" && (n.doc.Subject == nil || n.doc.Subject.Digest != e.subject):
		return nil, errdefs.Errorf(errdefs.ErrCorrupt,
			"manifest %s: is listed as a referrer of %s and does not refer to it",
			got.Digest, e.subject)
	}
	n.tags = append(n.tags, e.tags...)
	return n, nil
}

func (e *edge) explain(err error) error {
	switch {
	case e.in != "":
		return fmt.Errorf("in index %s: %w", e.in, err)
	case e.subject != "":
		return fmt.Errorf("referrer of %s: %w", e.subject, err)
	}
	return err
}

// resolve reads and parses a manifest. Its digest is that of its body, and ref
// when that is one.
func (c *copier) resolve(ctx context.Context, ref, mediaType string) (*node, error) {
	m, err := c.src.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	want := m.Descriptor.Digest
	if isDigest(ref) {
		want = digest.Digest(ref)
	}
	if err := want.Validate(); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "manifest %q: %w", want, err)
	}
	if got := want.Algorithm().FromBytes(m.Body); got != want {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s: its %d bytes hash to %s", want, len(m.Body), got)
	}
	if mediaType == "" {
		mediaType = m.Descriptor.MediaType
	}
	doc, err := manifest.Parse(mediaType, m.Body)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", want, err)
	}
	m.Descriptor = ocispec.Descriptor{MediaType: doc.MediaType, Digest: want, Size: int64(len(m.Body))}
	return &node{Manifest: m, doc: doc}, nil
}

// isDigest tells a digest from a tag. Of a layout a tag may be a whole name, as
// docker.io/team/app:v1, so that the colon alone says nothing.
func isDigest(ref string) bool {
	algorithm, _, found := strings.Cut(ref, ":")
	return found && digest.Algorithm(algorithm).Available()
}

// cosignTags end the tags under which cosign keeps what belongs to a manifest,
// where it does not use referrers.
var cosignTags = []string{".sig", ".att", ".sbom"}

// referrers leads to what belongs to a manifest without being below it.
func (c *copier) referrers(ctx context.Context, dgst digest.Digest) ([]*edge, error) {
	if !c.opts.Referrers {
		return nil, nil
	}
	descs, err := c.src.Referrers(ctx, dgst)
	if err != nil {
		return nil, err
	}
	var edges []*edge
	for _, d := range descs {
		if !manifest.IsManifest(d.MediaType) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "referrer %s of %s: media type %q is no manifest's",
				d.Digest, dgst, d.MediaType)
		}
		edges = append(edges, &edge{desc: d, subject: dgst})
	}
	for _, suffix := range cosignTags {
		tag := dgst.Algorithm().String() + "-" + dgst.Encoded() + suffix
		n, err := c.resolve(ctx, tag, "")
		switch {
		case err == nil:
			edges = append(edges, &edge{desc: n.Descriptor, tags: []string{tag}, node: n})
		case !errors.Is(err, errdefs.ErrNotFound):
			return nil, fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	return edges, nil
}
