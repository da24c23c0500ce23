// Package distribution is the OCI Distribution protocol, both ends.
//
// This package holds the contracts. distribution/server turns HTTP requests
// into calls of them, distribution/client speaks HTTP to any registry, and the
// two never import each other. What a registry knows beyond the protocol
// (users, projects, quota) lives above, in package registry, which implements
// the contracts and the Authorizer.
//
// Repositories are full names ("library/redis", "team/app/web") already checked
// against the grammar of the specification. Errors are errdefs kinds; package
// distribution/errcode has the one table from them to codes and HTTP statuses.
package distribution

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
)

// ErrNoRepository says, within an errdefs.ErrNotFound, that it is the whole
// repository that is not there: NAME_UNKNOWN on the wire.
var ErrNoRepository = errors.New("no such repository")

// BlobReader reads blobs that are members of a repository. A blob the registry
// stores but this repository does not hold is errdefs.ErrNotFound. OpenBlob
// tells a missing repository by ErrNoRepository; StatBlob, whose answer has no
// room for a reason, need not.
type BlobReader interface {
	StatBlob(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error)
	OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error)
}

// BlobWriter adds blobs to a repository.
type BlobWriter interface {
	// StartUpload begins an upload and names it.
	StartUpload(ctx context.Context, repo string) (Upload, error)
	// ResumeUpload opens an upload again. An id of another repository, or one
	// unknown, is errdefs.ErrNotFound; one that another request holds is
	// errdefs.ErrUnavailable.
	ResumeUpload(ctx context.Context, repo, id string) (Upload, error)
	// MountBlob makes a blob of repository from (any repository that the
	// caller may pull from, when from is "") a member of repo without moving
	// bytes. errdefs.ErrNotFound tells the client to upload instead.
	MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) (ocispec.Descriptor, error)
}

// Upload is one upload in progress. It is not safe for concurrent use.
//
// Close keeps what was written for a later request, durably enough that
// ResumeUpload finds it at the same Offset; Offset and ID answer after it too.
// Closing again, or after Commit or Cancel, does nothing.
type Upload interface {
	io.WriteCloser
	ID() string
	Offset() int64
	// Commit checks the bytes against dgst, makes them durable, makes them a
	// member of the repository, and only then returns.
	Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error)
	// Cancel forgets the upload.
	Cancel(ctx context.Context) error
}

// Manifest is a manifest as it was pushed, byte for byte.
type Manifest struct {
	Descriptor ocispec.Descriptor
	Body       []byte
}

// ManifestReader reads manifests by their digest. GetManifest tells a missing
// repository by ErrNoRepository.
type ManifestReader interface {
	StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error)
	GetManifest(ctx context.Context, repo string, dgst digest.Digest) (Manifest, error)
}

// TagReader reads what a tag names now, at once: between a look at the tag and a
// read by digest another push could move the one and a deletion take the other.
// GetTag tells a missing repository by ErrNoRepository.
type TagReader interface {
	StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error)
	GetTag(ctx context.Context, repo, tag string) (Manifest, error)
}

// ManifestWriter stores manifests.
type ManifestWriter interface {
	// PutManifest stores m.Body under its digest and moves the tags to it, all
	// or none; without a tag it is there by its digest alone. Blobs and manifests that it needs and
	// the repository lacks are
	// errdefs.ErrNotFound wrapping a *MissingError. A Precondition of ctx is held
	// against what is there in the same change, so that of two pushes which both ask
	// for what is there now one fails with ErrPrecondition. subject is the digest of
	// its subject, "" if it has none (the server answers OCI-Subject with it).
	PutManifest(ctx context.Context, repo string, m Manifest, tags ...string) (subject digest.Digest, err error)
}

// MissingError lists what a manifest refers to and the repository lacks.
type MissingError struct{ Digests []digest.Digest }

func (e *MissingError) Error() string {
	s := "manifest refers to content this repository does not have:"
	for _, d := range e.Digests {
		s += " " + d.String()
	}
	return s
}

// Deleter removes things from a repository; bytes go later, by GC.
type Deleter interface {
	DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error
	DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error
	DeleteTag(ctx context.Context, repo, tag string) error
}

// Page asks for at most N entries (0: the server's default) that sort after
// Last.
type Page struct {
	N    int
	Last string
}

// MaxReferrers bounds one page of referrers, in bytes of JSON: as large as a
// manifest may be, which clients read it as.
const MaxReferrers = 4<<20 - 1024

// ReferrersQuery asks for a page of a subject's referrers, of one artifact type
// unless that is "". Last is a digest.
type ReferrersQuery struct {
	Subject      digest.Digest
	ArtifactType string
	Page
}

// Lister enumerates. more says that the page was cut.
type Lister interface {
	Tags(ctx context.Context, repo string, p Page) (tags []string, more bool, err error)
	Repositories(ctx context.Context, p Page) (repos []string, more bool, err error)
	// Referrers lists the manifests whose subject is q's, by digest. A page also
	// ends when its descriptors are about MaxReferrers as JSON.
	Referrers(ctx context.Context, repo string, q ReferrersQuery) (descs []ocispec.Descriptor, more bool, err error)
}

// Registry is everything that the server serves.
type Registry interface {
	BlobReader
	BlobWriter
	ManifestReader
	TagReader
	ManifestWriter
	Deleter
	Lister
}

// Action is what a request wants to do with a repository.
type Action string

// The actions of the token grammar.
const (
	Pull   Action = "pull"
	Push   Action = "push"
	Delete Action = "delete"
)

// Access is one right that a request needs. Repository "" is the registry as a
// whole: the base endpoint and the catalog.
type Access struct {
	Repository string
	Actions    []Action
}
