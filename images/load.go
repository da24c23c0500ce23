package images

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

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
