package output

import (
	"context"
	"errors"
	"io"
	"slices"

	"cove/builder/export"
	"cove/builder/remotecache"
	"cove/content/fsstore"
	"cove/errdefs"
	"cove/images"
	"cove/images/tarball"
	"cove/layers"
	"cove/layers/snapshot"
	"cove/reference"
)

// Stores are where images are kept, opened when they are asked for.
type Stores interface {
	Content() (*fsstore.Store, error)
	Snapshots() (snapshot.Store, error)
	Images() (*images.Store, error)
}

// Exporter makes the exporter of an output. near are names of images, at registries, that
// may have some of the layers.
func (o Output) Exporter(s Stores, near []string) (export.Exporter, error) {
	switch o.Type {
	case Tar:
		return export.Tar{Write: o.Write, Split: o.Split}, nil
	case Local:
		return export.Directory{Dir: o.Dest, Split: o.Split}, nil
	case CacheOnly:
		return export.Nothing{}, nil
	}
	blobs, err := s.Content()
	if err != nil {
		return nil, err
	}
	if o.Type == Held {
		return export.Store{Content: blobs}, nil
	}
	refs, err := o.refs()
	if err != nil {
		return nil, err
	}
	made := stored{refs: refs, Store: export.Store{
		Content: blobs, Annotations: o.Annotations, Names: o.Names, Attest: o.Documents(),
	}}
	if o.DockerTypes {
		made.Types = &export.DockerTypes
	}
	if o.Type == OCI || o.Type == Docker {
		return archived{stored: made, blobs: blobs, out: o}, nil
	}
	named := &named{stored: made, byDigest: o.ByDigest, passing: o.Passing}
	if named.images, err = s.Images(); err != nil {
		return nil, err
	}
	if named.snapshots, err = s.Snapshots(); err != nil || !o.Push {
		return named, err
	}
	return &pushed{named: named, to: Push{Images: named.images, Refs: refs, Near: near}}, nil
}

// refs reads the names of the image, before anything is built.
func (o Output) refs() ([]reference.Reference, error) {
	refs := make([]reference.Reference, 0, len(o.Names))
	for _, name := range o.Names {
		ref, err := reference.Parse(name)
		switch {
		case err != nil:
		case ref.Digest != "":
			err = errdefs.Errorf(errdefs.ErrInvalid,
				"image name %q: a name with a digest cannot be given, the digest is what it is", name)
		case o.ByDigest && reference.HasTag(name):
			err = errdefs.Errorf(errdefs.ErrInvalid,
				"image name %q: what is pushed by its digest has no tag: leave out :%s", name, ref.Tag)
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	if o.Push && len(refs) == 0 {
		return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"pushing the image: it needs a name, which says where to"), errdefs.GiveName, "")
	}
	return refs, nil
}

// stored is an image in the content store, and the names that it will have.
type stored struct {
	export.Store
	refs []reference.Reference
}

// Export implements export.Exporter.
func (s stored) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	made, err := s.Store.Export(ctx, b)
	for _, ref := range s.refs {
		made.Names = append(made.Names, ref.String())
	}
	return made, err
}

// named gives the image its names, or those of its digest alone; one that is passing gets none.
type named struct {
	stored
	byDigest  bool
	passing   bool
	images    *images.Store
	snapshots snapshot.Store
}

// Export implements export.Exporter. The names are durable when it returns.
func (n *named) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	made, err := n.stored.Export(ctx, b)
	if err != nil {
		return made, err
	}
	// Blobs are durable one by one; snapshots all at once, before a name says
	// that they are there.
	if err := n.snapshots.Sync(); err != nil {
		return made, err
	}
	if n.byDigest {
		n.refs = slices.Clone(n.refs)
		for i, ref := range n.refs {
			n.refs[i] = ref.WithDigest(made.Target.Digest)
		}
	}
	names := make([]string, len(n.refs)) // none is a dangling image
	for i, ref := range n.refs {
		names[i] = ref.String()
	}
	if n.byDigest {
		made.Names = names
	}
	if n.passing {
		return made, nil
	}
	_, err = n.images.Put(ctx, made.Target, names...)
	return made, err
}

// archived writes the image as an archive, or as an OCI layout.
type archived struct {
	stored
	blobs *fsstore.Store
	out   Output
}

// Name implements export.Exporter.
func (a archived) Name() string {
	if a.out.Type == OCI {
		return "exporting to oci image format"
	}
	return "exporting to docker image format"
}

// Export implements export.Exporter.
func (a archived) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	if a.out.Type == Docker && len(b.Images) > 1 {
		return export.Exported{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"a docker archive holds images for one platform, and this build is for %d: use type=oci", len(b.Images))
	}
	made, err := a.stored.Export(ctx, b)
	if err != nil {
		return made, err
	}
	img := tarball.Image{Target: made.Target, Annotations: a.out.Annotations.InLayout(made), Names: made.Names}
	if a.out.Type == Docker {
		img.Config, img.Layers = made.Images[0].Config, made.Images[0].Layers
	}
	write := func(w io.Writer) error {
		return tarball.Write(ctx, w, a.blobs, []tarball.Image{img}, made.Blobs())
	}
	if a.out.Dest != "" {
		return made, export.Unpack(ctx, a.out.Dest, write)
	}
	return made, a.out.Write(write)
}

// pushed is a named image that goes to the registries of its names too: its layers as
// soon as they are finished, the image itself at the end.
type pushed struct {
	*named
	to Push
}

// Begin implements export.Early.
func (p *pushed) Begin(ctx context.Context, step func(name string) export.Step) (func(layers.Layer), func()) {
	return p.to.Begin(ctx, step), p.to.Stop
}

// Needs implements export.Exporter. A layer that the registry has, or can mount, stays
// there until somebody here uses the image.
func (p *pushed) Needs() export.Needs { return export.Needs{Blobs: true, Anywhere: true} }

// Export implements export.Exporter. The names here are durable before any registry's
// is moved. An image that could not be pushed is whole here: nobody else may have it.
func (p *pushed) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	made, err := p.named.Export(ctx, b)
	if err != nil {
		return made, err
	}
	p.to.Refs = p.refs
	if p.passing {
		p.to.Target = made.Target
		return made, p.to.Finish(ctx, b)
	}
	if err = p.to.Finish(ctx, b); err != nil && !errors.Is(err, remotecache.ErrLost) {
		err = errors.Join(err, b.Rest.Bring(ctx))
	}
	return made, err
}
