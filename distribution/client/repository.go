package client

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// Client talks to registries. It is safe for concurrent use and keeps
// connections and tokens between calls.
type Client struct{ cfg Config }

// New returns a client. The error is errdefs.ErrInvalid for a malformed
// Insecure or Mirrors entry.
func New(cfg Config) (*Client, error) { return &Client{cfg: cfg}, nil }

// Close gives up idle connections.
func (c *Client) Close() error { return nil }

// Ping checks that host is a registry that lets the keychain's credentials in.
func (c *Client) Ping(ctx context.Context, host string) error { return todo }

// Login checks the name and password at host; it stores nothing, which is
// credentials.Store's. An identity token comes back when the registry gave
// one to be kept in place of the password.
func (c *Client) Login(ctx context.Context, host, user, password string) (identityToken string, err error) {
	return "", todo
}

// Catalog lists the repositories of host that the caller may see.
func (c *Client) Catalog(ctx context.Context, host string) ([]string, error) { return nil, todo }

// Repository is one repository at one registry host ("docker.io",
// "library/redis").
func (c *Client) Repository(host, name string) *Repository {
	return &Repository{c: c, host: host, name: name}
}

// Repository reads from and writes to one repository. It is safe for
// concurrent use.
type Repository struct {
	c          *Client
	host, name string
}

// String is HOST/NAME.
func (r *Repository) String() string { return r.host + "/" + r.name }

// Resolve fetches the manifest or index that ref, a tag or a digest, names
// now. The body is verified against its digest.
func (r *Repository) Resolve(ctx context.Context, ref string) (ocispec.Descriptor, []byte, error) {
	return ocispec.Descriptor{}, nil, todo
}

// Stat is Resolve without the body; the registry's word is taken for it.
func (r *Repository) Stat(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, todo
}

// Manifest fetches the manifest or index desc, verified.
func (r *Repository) Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	return nil, todo
}

// OpenBlob reads desc from offset on. After a cut the reader resumes by itself
// within the retry budget; progress hears of it. It ends early or late never:
// a body of another length than desc.Size is an error. It does not hash. The
// reader must be closed and is not safe for concurrent use.
func (r *Repository) OpenBlob(ctx context.Context, desc ocispec.Descriptor, offset int64, progress Progress) (io.ReadCloser, error) {
	return nil, todo
}

// FetchBlob brings desc into store, resuming what an earlier, cut fetch left
// there. A blob the store has is an Exists event and no bytes.
func (r *Repository) FetchBlob(ctx context.Context, store BlobStore, desc ocispec.Descriptor, progress Progress) error {
	return todo
}

// BlobStore is what FetchBlob needs of a content store.
type BlobStore interface {
	content.Ingester
	Stat(ctx context.Context, dgst digest.Digest) (content.Info, error)
}

// PushOptions are the choices of a push.
type PushOptions struct {
	// MountFrom names repositories at the same registry that may hold the
	// blobs already, best first.
	MountFrom []string
	Progress  Progress
}

// PushBlob uploads one blob unless the repository has it or can mount it.
func (r *Repository) PushBlob(ctx context.Context, desc ocispec.Descriptor, src content.Provider, opts PushOptions) error {
	return todo
}

// PushManifest stores body under ref, a tag or its digest.
func (r *Repository) PushManifest(ctx context.Context, ref string, desc ocispec.Descriptor, body []byte) error {
	return todo
}

// Push uploads the manifest or index desc with everything it refers to, each
// digest once and blobs before the manifests that need them, and last moves
// ref (a tag, or "" for the digest alone) to it.
func (r *Repository) Push(ctx context.Context, ref string, desc ocispec.Descriptor, src content.Provider, opts PushOptions) error {
	return todo
}

// Tags lists the repository's tags.
func (r *Repository) Tags(ctx context.Context) ([]string, error) { return nil, todo }

// Referrers lists what refers to subject, of artifactType when it is not "".
func (r *Repository) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]ocispec.Descriptor, error) {
	return nil, todo
}

// Delete removes a tag or, by digest, a manifest.
func (r *Repository) Delete(ctx context.Context, ref string) error { return todo }

// Each calls do for every descriptor, at most Config.Parallel at once and once
// per digest, and waits for all. The first error stops what has not begun.
func (c *Client) Each(ctx context.Context, descs []ocispec.Descriptor, do func(ctx context.Context, desc ocispec.Descriptor) error) error {
	return todo
}

var todo = errdefs.Errorf(errdefs.ErrUnsupported, "distribution client: not landed yet")
