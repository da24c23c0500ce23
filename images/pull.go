package images

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
)

// PullOptions are the choices of Pull and Resolve.
type PullOptions struct {
	// Platform is which image is taken of an index; zero is the store's.
	Platform ocispec.Platform
	Progress Progress
}

// Pulled is what a Pull did.
type Pulled struct {
	Image Image
	// Digest is that of the name at the registry: of an index, or the manifest.
	Digest digest.Digest
	// Newer says that the name stands for something else than before, or is
	// new here.
	Newer bool
}

// Pull brings an image here, unpacks it, and names it as it is named there.
func (s *Store) Pull(ctx context.Context, name string, opts PullOptions) (Pulled, error) {
	return Pulled{}, errTodo
}

// ResolveOptions are the choices of Resolve.
type ResolveOptions struct {
	PullOptions
	// Always asks the registry even if the name is here.
	Always bool
	// Hold is put on what is fetched; it must stay until Unpack and a name.
	Hold content.Lease
}

// Resolve finds an image here or at its registry, and brings its manifest and
// config, but no layers, here. It gets no name. Unpack brings the rest.
func (s *Store) Resolve(ctx context.Context, name string, opts ResolveOptions) (Image, error) {
	return Image{}, errTodo
}

// Unpack makes sure that img's layers are blobs here and committed snapshots
// named by their chainIDs. Of img it needs Layers and, for layers that are not
// here, Source. hold may be nil if names or leases cover the layers already.
func (s *Store) Unpack(ctx context.Context, img Image, hold content.Lease, progress Progress) error {
	return errTodo
}

// PushOptions are the choices of Push.
type PushOptions struct{ Progress Progress }

// Push brings an image to the registry of its name and returns what the name
// stands for there.
func (s *Store) Push(ctx context.Context, name string, opts PushOptions) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, errTodo
}

// Save writes images, with all their names or those given, as one tar that is
// both an OCI layout and a docker archive. The same images give the same bytes.
func (s *Store) Save(ctx context.Context, w io.Writer, names []string) error { return errTodo }

// Loaded is one image that Load found.
type Loaded struct {
	// Name is the canonical name; "" when the archive has only an id.
	Name string
	ID   digest.Digest
}

// Load reads a tar that Save, docker save (of any version) or another tool
// wrote: a docker archive or an OCI layout, compressed or not.
func (s *Store) Load(ctx context.Context, r io.Reader, progress Progress) ([]Loaded, error) {
	return nil, errTodo
}

// ImportOptions are the choices of Import.
type ImportOptions struct {
	// Name is given to the image; "" leaves it without.
	Name string
	// Config is the image's; Import adds what it knows.
	Config   ocispec.ImageConfig
	Platform ocispec.Platform
	// Message is the comment in the history.
	Message string
}

// Import makes an image of one layer from the tar of a root filesystem,
// compressed or not.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (Image, error) {
	return Image{}, errTodo
}
