package copy

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/progress"
	"cove/internal/limit"
)

// Source is what is copied from. Its methods are safe for concurrent use.
type Source interface {
	// Provider opens blobs; manifests it need not have. Readers are read once,
	// from a start to the end, and from there again after a cut.
	content.Provider
	// Resolve reads the manifest or index that ref, a tag or a digest, names.
	// One that is not there is errdefs.ErrNotFound. The descriptor's media type
	// is what the source says of the body, "" when it says nothing.
	Resolve(ctx context.Context, ref string) (distribution.Manifest, error)
	// Referrers lists the manifests whose subject is that digest, which need not
	// be there; none is no error.
	Referrers(ctx context.Context, subject digest.Digest) ([]ocispec.Descriptor, error)
}

// Target is what is copied to. Its methods are safe for concurrent use.
type Target interface {
	// PushBlob brings b here unless it is here. It returns when the blob is
	// durable and its bytes were held against its digest: others are
	// errdefs.ErrCorrupt and leave nothing. It tells AlreadyExists, Mounted, or
	// Pushing and then Pushed.
	PushBlob(ctx context.Context, b Blob) error
	// PushManifest stores m, all that it needs being here, and moves the tag to
	// it unless that is "".
	PushManifest(ctx context.Context, m distribution.Manifest, tag string) error
}

// Mounter is a Target that can take blobs from another repository of its
// registry without their bytes moving.
type Mounter interface {
	// Neighbour is the name of src at the target's registry, if that is where
	// it is.
	Neighbour(src Source) (repo string, ok bool)
}

// Blob is one blob to be pushed.
type Blob struct {
	ocispec.Descriptor
	// Content opens the blob. It may be opened again after a cut.
	Content content.Provider
	// MountFrom names repositories of the target's registry that may hold it.
	MountFrom []string
	Progress  progress.Func
	// Uploads is Options.Uploads.
	Uploads client.Uploads
}

// Options are the choices of a copy.
type Options struct {
	// Tag is moved to what was copied, last; "" moves none.
	Tag string
	// Platforms chooses from an index: one is copied as the image itself, several
	// as an index of just those, which has a digest of its own. None chooses all.
	Platforms []ocispec.Platform
	// Referrers copies what refers to each manifest copied, and what refers to
	// that: signatures, SBOMs, attestations. They are found by the source's
	// Referrers, and under the tags that cosign makes of a digest. One that is listed
	// and not there is left out: lists under tags outlive what they list.
	Referrers bool
	// MountFrom names repositories of the target's registry that may hold the
	// blobs, best first. The source is one by itself where it can be.
	MountFrom []string
	// TrustSource leaves the hashing of blobs to the target, for a source whose
	// bytes were hashed when they came in. It spares a pass over them and costs the
	// name of the guilty: the target says that what came is wrong, and not since when.
	TrustSource bool
	// Uploads, when set, remembers unfinished uploads, so that a copy which is made
	// again after its process was killed goes on in the middle of a blob, at targets
	// that can: Remote and Local.
	Uploads client.Uploads
	// Parallel bounds the requests and the transfers at once; 0 is 4.
	Parallel int
	// Progress hears Resolved for what ref names, Waiting for each blob, and what
	// the target tells of them.
	Progress progress.Func
}

// Copy copies what ref, a tag or a digest, names at src to dst with everything
// below it, and returns what was copied. Of a copy that fails, blobs and whole
// images may be at dst; the tag is where it was.
//
// Errors are those of the ends. What is not as its descriptor says is
// errdefs.ErrCorrupt, what is larger or deeper than any honest image is
// errdefs.ErrExhausted.
func Copy(ctx context.Context, dst Target, src Source, ref string, opts Options) (ocispec.Descriptor, error) {
	opts.Parallel = cmp.Or(opts.Parallel, 4)
	if m, ok := dst.(Mounter); ok {
		if repo, ok := m.Neighbour(src); ok && !slices.Contains(opts.MountFrom, repo) {
			opts.MountFrom = append([]string{repo}, opts.MountFrom...)
		}
	}
	c := &copier{dst: dst, src: src, opts: opts}
	root, err := c.choose(ctx, ref)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	opts.Progress.Tell(progress.Event{Kind: progress.Resolved, Desc: root.Descriptor})
	g, err := c.walk(ctx, root)
	if err == nil {
		err = c.pushBlobs(ctx, g.blobs)
	}
	if err == nil {
		err = c.pushManifests(ctx, g, root.Descriptor.Digest)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return root.Descriptor, nil
}

// copier is one Copy.
type copier struct {
	dst  Target
	src  Source
	opts Options
}

// pushBlobs begins with the largest: the transfers then end close together.
func (c *copier) pushBlobs(ctx context.Context, blobs []ocispec.Descriptor) error {
	for _, desc := range blobs {
		c.opts.Progress.Tell(progress.Event{Kind: progress.Waiting, Desc: desc})
	}
	blobs = slices.Clone(blobs)
	slices.SortStableFunc(blobs, func(a, b ocispec.Descriptor) int { return cmp.Compare(b.Size, a.Size) })
	push := func(ctx context.Context, desc ocispec.Descriptor) error {
		b := Blob{Descriptor: desc, Content: c.src, MountFrom: c.opts.MountFrom, Progress: c.opts.Progress}
		b.Uploads = c.opts.Uploads
		if !c.opts.TrustSource {
			b.Content = newChecked(c.src, desc)
		}
		return c.dst.PushBlob(ctx, b)
	}
	return limit.Each(ctx, c.opts.Parallel, slices.Values(blobs), push)
}

// pushManifests stores children before what lists them, and the root last, when
// its referrers are there too: who looks for the signature of a new tag finds it.
func (c *copier) pushManifests(ctx context.Context, g *graph, root digest.Digest) error {
	for _, level := range g.levels(root) {
		err := limit.Each(ctx, c.opts.Parallel, slices.Values(level), func(ctx context.Context, n *node) error {
			return c.pushManifest(ctx, n, n.tags)
		})
		if err != nil {
			return err
		}
	}
	n := g.nodes[root]
	tags := n.tags
	if c.opts.Tag != "" {
		tags = append(slices.Clone(tags), c.opts.Tag)
	}
	return c.pushManifest(ctx, n, tags)
}

func (c *copier) pushManifest(ctx context.Context, n *node, tags []string) error {
	if len(tags) == 0 {
		tags = []string{""}
	}
	for _, tag := range tags {
		if err := c.dst.PushManifest(ctx, n.Manifest, tag); err != nil {
			return err
		}
	}
	c.opts.Progress.Tell(progress.Event{
		Kind: progress.Pushed, Desc: n.Descriptor, Offset: n.Descriptor.Size,
	})
	return nil
}
