// Package images keeps the local images: names, pull, push, save, load.
//
// An image is a manifest in the content store, everything it refers to, and
// (unless it lost its last one) names that stand for it. Layers live twice: as
// blobs, which are what is durable, and unpacked as snapshots, which can be
// made again. Many processes work on one root at once, without a daemon: names
// change under a short lock, and whatever no name refers to yet is under a
// lease, so that a collector in another process leaves it alone.
package images

import (
	"context"
	"iter"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/images/names"
	"cove/images/remote"
	"cove/images/sizes"
	"cove/internal/platforms"
	"cove/layers/snapshot"
	"cove/reference"
)

// Config wires a Store. Root and Content are required; without Snapshots
// nothing is unpacked, without Registry nothing is pulled or pushed.
type Config struct {
	// Root is the folder of all state; names are in Root/names.
	Root string
	// Content holds the blobs. ContentDir is its folder, where index.json is
	// kept; "" is Root/images.
	Content    content.Store
	ContentDir string
	Snapshots  snapshot.Store
	// Registry gives the client of registries. It is called when a registry is
	// asked and not before: what it reads, a start should not pay. nil is none.
	Registry func() (remote.Registries, error)
	// Known finds the registry that a bare host name is known to be, for hints;
	// see reference.Hint. nil knows none.
	Known func(host string) string
	// Verify refuses an image that came from repo under a name, by the digests of what
	// the name names, of the indexes within, and of the image, last. nil takes all.
	Verify func(ctx context.Context, repo remote.Repository, ref reference.Reference, of []digest.Digest) error
	// InUse visits what else refers to blobs and snapshots, in the form of
	// Roots: containers and the build cache. nil is nothing.
	InUse func(ctx context.Context) iter.Seq2[string, error]
	// Platform is which image is taken of an index; zero is this machine's.
	Platform ocispec.Platform
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Store is the local images. It is safe for concurrent use, by many processes
// on one root.
type Store struct {
	cfg   Config
	names *names.Set
	// only says that a name stands for its image of cfg.Platform, and no other.
	only bool
}

// Open opens the images of a root. The content store must have been opened
// before, since its folder must exist.
func Open(cfg Config) (*Store, error) {
	if cfg.Root == "" || cfg.Content == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "images: Root and Content are both needed")
	}
	if cfg.ContentDir == "" {
		cfg.ContentDir = filepath.Join(cfg.Root, "images")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Platform.OS == "" {
		cfg.Platform = platforms.Host()
	}
	if cfg.InUse == nil {
		cfg.InUse = func(context.Context) iter.Seq2[string, error] { return func(func(string, error) bool) {} }
	}
	set, err := names.Open(filepath.Join(cfg.Root, "names"), cfg.ContentDir)
	if err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, names: set}, nil
}

// With returns the same images, whose registries another client asks. Only the
// first store is to be closed.
func (s *Store) With(registry func() (remote.Registries, error)) *Store {
	other := *s
	other.cfg.Registry = registry
	return &other
}

// For returns the same images as one platform has them: a name stands for its image of
// that platform, alone, and a name that has none for it is errdefs.ErrNotFound.
func (s *Store) For(p ocispec.Platform) *Store {
	other := *s
	other.cfg.Platform, other.only = p, true
	return &other
}

// Unreadable says which names cannot be read, and what helps; nil if all can.
func (s *Store) Unreadable(ctx context.Context) error { _, err := s.names.Whole(ctx); return err }

// Close releases what Open opened; the content store stays open.
func (s *Store) Close() error { return s.names.Close() }

// Provider reads the blobs of the images.
func (s *Store) Provider() content.Provider { return s.cfg.Content }

// Sizes reads how large images are.
func (s *Store) Sizes() sizes.Sizes {
	return sizes.Sizes{Content: s.cfg.Content, Snapshots: s.cfg.Snapshots}
}
