// Package content keeps bytes by their digest.
//
// It is the ground floor: it knows nothing of images, names or HTTP. A blob is
// immutable and complete: it becomes visible by Commit, after its bytes were
// hashed, compared and made durable, and never before. Three stores implement
// the contract and pass the one suite in content/contenttest: fsstore (an OCI
// image layout on disk), memstore, and s3store (a bucket), which knows no leases.
package content

import (
	"context"
	"io"
	"iter"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Reader reads one blob. It is safe for concurrent use and must be closed.
//
// Any range may be read, in any order. Ranges that follow one another cost a
// remote store one request together and not one each: it keeps the answer open
// and reads on. So who wants a part reads it from its start to its end, as an
// io.SectionReader does, and need not ask for more than he wants.
type Reader interface {
	io.ReaderAt
	io.Closer
	// Size is the length of the blob in bytes.
	Size() int64
}

// Provider opens blobs.
type Provider interface {
	// Open returns the blob that desc.Digest names. When desc.Size is not zero
	// and differs from the stored size the error is errdefs.ErrCorrupt; a blob
	// that is not there is errdefs.ErrNotFound. The bytes are not re-hashed:
	// wrap the reader with [Verify] where they leave the machine's trust.
	Open(ctx context.Context, desc ocispec.Descriptor) (Reader, error)
}

// Ingester takes bytes in.
type Ingester interface {
	// Begin opens the write with this id, which may be any string the caller
	// can repeat. If an earlier Writer of that id was closed or its process
	// died, the write goes on where its last durable state was: read Offset
	// before writing. One Writer of an id is open at a time; a second Begin is
	// errdefs.ErrUnavailable.
	Begin(ctx context.Context, id string) (Writer, error)
	// Abort forgets the write with this id and frees its bytes. Aborting an
	// unknown id is errdefs.ErrNotFound.
	Abort(ctx context.Context, id string) error
}

// Writer collects one blob. It is not safe for concurrent use.
//
// Close without Commit keeps what was written so that Begin with the same id
// resumes it. After Commit, Close does nothing.
type Writer interface {
	io.WriteCloser
	// Offset is how many bytes this write holds.
	Offset() int64
	// Digest is the sha256 digest of the bytes written so far; it costs no
	// second pass.
	Digest() digest.Digest
	// Commit makes the bytes a blob under desc.Digest (sha256 or sha512). It
	// returns after the blob and every new directory entry are durable. Bytes
	// that do not have that digest, or that size when desc.Size is not zero,
	// are errdefs.ErrCorrupt and the write is forgotten. Committing what the
	// store has already is not an error. A full disk is errdefs.ErrExhausted
	// and leaves nothing under the digest.
	Commit(ctx context.Context, desc ocispec.Descriptor) error
}

// ReadableWriter is what the Writer of a local store is: what was written can be
// read back, by others while it is being written, until it is closed or
// committed. Then ReadAt fails with os.ErrClosed.
type ReadableWriter interface {
	Writer
	io.ReaderAt
}

// Info describes a stored blob.
type Info struct {
	Digest  digest.Digest
	Size    int64
	ModTime time.Time
}

// Manager looks after what is stored.
type Manager interface {
	// Stat is errdefs.ErrNotFound for a digest that is not stored.
	Stat(ctx context.Context, dgst digest.Digest) (Info, error)
	// All visits every blob in no particular order. Blobs that come or go
	// meanwhile may or may not be visited.
	All(ctx context.Context) iter.Seq2[Info, error]
	// Delete removes a blob; it does not ask whether anyone refers to it. Who
	// may call it: a garbage collector (packages images/gc and registry), and
	// who found that the blob's bytes are not its digest's.
	Delete(ctx context.Context, dgst digest.Digest) error
}

// Leaser protects what no name refers to yet.
//
// Whoever holds blobs, or derived things such as snapshots, that no name
// refers to yet holds a lease on them. Without a daemon many processes share a
// store, so a lease of a persistent store lives as a file that is locked for
// the life of its holder: a kill releases it.
type Leaser interface {
	// Lease starts a lease on refs: digests in their string form, or any other
	// key the holder wants kept, as "snapshot/KEY". It waits while a Freeze is
	// held.
	Lease(ctx context.Context, refs ...string) (Lease, error)
	// Leased visits every ref under a live lease, of any process.
	Leased(ctx context.Context) iter.Seq2[string, error]
	// Freeze stops new leases, and additions to live ones, until the returned
	// function is called. A garbage collector marks and sweeps inside it.
	Freeze(ctx context.Context) (thaw func(), err error)
}

// Lease is a live lease. It is safe for concurrent use.
type Lease interface {
	// Add puts more refs under the lease. It waits while a Freeze is held, so
	// after it returns the ref either survived or is gone: look again.
	Add(ctx context.Context, refs ...string) error
	// Release ends the lease.
	Release() error
}

// Janitor clears away what writers left behind: kills leave writes that nobody
// goes on with, and temporary files.
type Janitor interface {
	// Expire forgets the writes that got no bytes since before and that no
	// process holds open, and frees their bytes, which it counts. It touches no
	// blob. It may run at any time, in several processes at once.
	Expire(ctx context.Context, before time.Time) (freed int64, err error)
}

// Inspector finds what stands among the blobs and is none: links, directories
// and pipes, and names that are no digest. Somebody else put them there; Open
// and Stat say of them that no blob is stored, and Commit and Delete of the
// digest they stand for remove them.
type Inspector interface {
	// Foreign visits all of it. One that cannot be read is visited as well.
	Foreign(ctx context.Context) iter.Seq2[Foreign, error]
	// RemoveForeign removes what Foreign has found, with all below it.
	RemoveForeign(ctx context.Context, f Foreign) error
}

// Foreign is something among the blobs that is none.
type Foreign struct {
	Name   string // as the store calls it
	Reason string
	// Digest is of the blob in whose place it stands; "" of none.
	Digest digest.Digest
}

// BatchDeleter is what a Manager is as well whose requests are dear.
type BatchDeleter interface {
	// DeleteBatch is Delete of many; one that is not stored is no error.
	DeleteBatch(ctx context.Context, digests []digest.Digest) error
}

// Putter is what an Ingester is as well that takes small blobs with less ado than
// by a write; see WriteBytes.
type Putter interface {
	// Put stores b under desc.Digest; its errors are those of Writer.Commit.
	Put(ctx context.Context, desc ocispec.Descriptor, b []byte) error
}

// Locator is what a Provider is as well that others reach without this process.
type Locator interface {
	// URL is where anyone who has it gets the blob, with ranges, for as long as life.
	// It does not ask whether the blob is there.
	URL(ctx context.Context, dgst digest.Digest, life time.Duration) (string, error)
}

// BlobStore is the contract of a store whose users agree elsewhere about what is
// to be kept, as the servers of one registry do in their database.
type BlobStore interface {
	Provider
	Ingester
	Manager
	Janitor
	Inspector
}

// Store is the whole contract.
type Store interface {
	BlobStore
	Leaser
}

// Linker is a store of files: it takes in a file of its own file system by one more
// name of it, and writes no byte.
type Linker interface {
	// Link makes what f holds a blob under desc.Digest, as Writer.Commit does. The bytes
	// are read and hashed. From then on nobody may write to the file; to remove its other
	// names is no harm. A file that this store cannot have a name of (on another file
	// system, say) is errdefs.ErrUnsupported: copy it.
	Link(ctx context.Context, desc ocispec.Descriptor, f *os.File) error
}
