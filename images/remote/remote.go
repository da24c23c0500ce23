// Package remote is registries as images are brought from them and sent to them, apart
// from how they are reached, so that a program that reaches none need not link HTTP,
// TLS and the verification of signatures: their tables are made before main, at every
// start.
//
// A program that reaches registries imports cove/images/remote/linked for its side
// effect, as database/sql is given its drivers.
package remote

import (
	"context"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/client/credentials"
	"cove/distribution/progress"
	"cove/errdefs"
)

// Registries are asked by one client.
type Registries interface {
	// Repository is one of a registry's; nothing is asked yet.
	Repository(host, name string) Repository
	// SignedIn says whether there is something to sign in with at a registry.
	SignedIn(ctx context.Context, host string) bool
	// Login tries a sign-in.
	Login(ctx context.Context, host, user, password string) error
	// Search finds repositories by a part of their name, limit at most.
	Search(ctx context.Context, host, term string, limit int) ([]Found, error)
}

// Repository is one of a registry's. Ref is a tag or a digest.
type Repository interface {
	Resolve(ctx context.Context, ref string) (ocispec.Descriptor, []byte, error)
	Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error)
	Tags(ctx context.Context) ([]string, error)
	// OpenBlob reads a blob from an offset on, and goes on by itself where a line was
	// cut. Its bytes are checked by who stores them.
	OpenBlob(ctx context.Context, desc ocispec.Descriptor, offset int64, tell progress.Func) (io.ReadCloser, error)
	// FetchBlob brings a blob into a store, unless it is there.
	FetchBlob(ctx context.Context, into content.Store, desc ocispec.Descriptor, tell progress.Func) error
	Pusher
	Signer
}

// Pusher sends what is stored to a repository.
type Pusher interface {
	// Push sends an image or an index with all that it needs.
	Push(ctx context.Context, from content.Store, root digest.Digest, o PushOptions) error
	// PushBlob sends one blob, unless it is there or can be mounted. Tag is of no use.
	PushBlob(ctx context.Context, from content.Provider, desc ocispec.Descriptor, o PushOptions) error
}

// PushOptions are the choices of a push.
type PushOptions struct {
	Tag string
	// MountFrom names repositories of the same registry that may have the blobs already.
	MountFrom []string
	// Lacking, if not nil, opens blobs that the store pushed from has not.
	Lacking  content.Provider
	Progress progress.Func
}

// Found is a repository that a search found.
type Found struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Stars       int    `json:"star_count"`
	Official    bool   `json:"is_official"`
	Automated   bool   `json:"is_automated"`
}

// Rule says whose signatures are trusted below a prefix of names.
type Rule struct {
	// Prefix is REGISTRY, REGISTRY/PATH, or "*" for all. The longest that fits counts.
	Prefix string
	// Keys are files of public keys and certificates in PEM; a signature by one of them
	// is enough. Without one nothing is trusted.
	Keys []string
	// Unsigned asks for no signature.
	Unsigned bool
	// File is where the rule stands, for who is refused.
	File string
}

// Config is how registries are reached.
type Config struct {
	Keychain credentials.Keychain
	// CertsDirs are folders of certificates by registry, in order.
	CertsDirs []string
	// Insecure may go without TLS: HOST, HOST:PORT or CIDR.
	Insecure []string
	// Mirrors are base URLs to read from before a registry itself, by its name.
	Mirrors map[string][]string
	// OnWarning hears each warning of a registry once.
	OnWarning func(host, text string)
	// OnRetry hears why a request is tried again, and for how long at most.
	OnRetry func(err error, most time.Duration)
}

var open func(Config) (Registries, error)

// Use gives the program its client. It is called by the initialisation of a package,
// and nowhere else.
func Use(f func(Config) (Registries, error)) { open = f }

// Open returns registries, or errdefs.ErrNotLinked. The error is errdefs.ErrInvalid for a
// malformed entry.
func Open(cfg Config) (Registries, error) {
	if open == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotLinked, "this program links nothing that reaches registries")
	}
	return open(cfg)
}
