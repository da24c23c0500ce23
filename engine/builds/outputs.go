package builds

import (
	"context"
	"io"
	"slices"

	"cove/builder/export"
	"cove/content/fsstore"
	"cove/engine/builds/stream"
	"cove/errdefs"
	"cove/images"
	"cove/images/tarball"
	"cove/layers/snapshot"
	"cove/reference"
)

// OutputType is a kind of Output.
type OutputType string

// The types of output, by docker's names.
const (
	// Image is a local image; Registry one that is pushed as well.
	Image    OutputType = "image"
	Registry OutputType = "registry"
	// OCI and Docker are an image in an archive, as save writes it.
	OCI    OutputType = "oci"
	Docker OutputType = "docker"
	// Tar and Local are the files of the image: an archive, or a directory.
	Tar   OutputType = "tar"
	Local OutputType = "local"
	// CacheOnly keeps what the steps made in the cache alone.
	CacheOnly OutputType = "cacheonly"
	// held is an image in the store that has no name.
	held OutputType = "held"
)

// Output is one place where an image goes.
type Output struct {
	Type OutputType
	// Names are the image's; none are those of the build.
	Names []string
	// Push sends the image to the registries of its names.
	Push bool
	// Dest is the directory of Local, and of an OCI layout that is not to be an
	// archive. Write takes the archives.
	Dest  string
	Write func(write func(io.Writer) error) error
	// Split is of Local and Tar, see export.Tar.
	Split *bool
	// Annotations are of OCI, Docker, Image and Registry.
	Annotations export.Annotations
}

// exporters makes an exporter of each output.
func exporters(e Engine, o Options) (all []export.Exporter, err error) {
	outputs := o.Outputs
	if len(outputs) == 0 {
		outputs = []Output{{Type: Image}}
	}
	for _, out := range outputs {
		var to export.Exporter
		switch out.Type {
		case Tar:
			to = export.Tar{Write: out.Write, Split: out.Split}
		case Local:
			to = export.Directory{Dir: out.Dest, Split: out.Split}
		case CacheOnly:
			to = export.Nothing{}
		case held:
			blobs, err := e.Content()
			if err != nil {
				return nil, err
			}
			to = export.Store{Content: blobs}
		default:
			if to, err = imageExporter(e, out, o); err != nil {
				return nil, err
			}
		}
		all = append(all, to)
	}
	return all, nil
}

// imageExporter makes the exporter of an output that is an image.
func imageExporter(e Engine, out Output, o Options) (export.Exporter, error) {
	if len(out.Names) == 0 {
		out.Names = o.Names
	}
	refs, err := parseNames(out.Names)
	if err != nil {
		return nil, err
	}
	blobs, err := e.Content()
	if err != nil {
		return nil, err
	}
	made := stored{refs: refs, Store: export.Store{
		Content: blobs, Annotations: out.Annotations, Names: out.Names,
		Attest: attested(out),
	}}
	if out.Type == OCI || out.Type == Docker {
		return archived{stored: made, blobs: blobs, out: out}, nil
	}
	if out.Push && len(refs) == 0 {
		return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"pushing the image: it needs a name, which says where to"), errdefs.GiveName, "")
	}
	named := &named{stored: made}
	if named.images, err = e.Images(); err != nil {
		return nil, err
	}
	if named.snapshots, err = e.Snapshots(); err != nil || !out.Push {
		return named, err
	}
	to := stream.Push{Images: named.images, Refs: named.refs}
	for _, c := range slices.Concat(o.CacheFrom, o.CacheTo) {
		to.Near = append(to.Near, c.Ref)
	}
	return &pushed{named: named, to: to}, nil
}

// parseNames reads the names of an image, before anything is built.
func parseNames(names []string) ([]reference.Reference, error) {
	refs := make([]reference.Reference, 0, len(names))
	for _, name := range names {
		ref, err := reference.Parse(name)
		if err == nil && ref.Digest != "" {
			err = errdefs.Errorf(errdefs.ErrInvalid,
				"image name %q: a name with a digest cannot be given, the digest is what it is", name)
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
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

// named gives the image its names.
type named struct {
	stored
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
	if len(n.refs) == 0 {
		_, err := n.images.Put(ctx, "", made.Target) // a dangling image
		return made, err
	}
	for _, ref := range n.refs {
		if _, err := n.images.Put(ctx, ref.String(), made.Target); err != nil {
			return made, err
		}
	}
	return made, nil
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
