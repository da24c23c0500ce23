// Package backup writes all that a registry is into a folder or an archive while
// it serves, and reads it again.
//
//	registry.db           the database, of either kind, as SQLite's file of one moment
//	keys/, tls/, …        small files of the root: signing keys, certificates
//	content/blobs/ALG/HEX bytes by digest: all that the database of that moment knows
//	backup.json           what there is; written last, so that without it nothing counts
//
// A folder is brought up to date by the next backup into it, which copies only what
// is new. An archive is a tar of the same names, in this order, so that it is
// written and read in one pass.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

const (
	formatVersion = 1
	databaseName  = "registry.db"
	summaryName   = "backup.json"
	contentName   = "content"
	blobsName     = "content/blobs/"
)

// Summary is what backup.json says.
type Summary struct {
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	// Schema is the version of the database.
	Schema int64 `json:"schema"`
	// Registry is its identity.
	Registry string `json:"registry"`
	Blobs    int    `json:"blobs"`
	Bytes    int64  `json:"bytes"`
	// Missing are contents that the registry itself has lost or found damaged.
	Missing []digest.Digest `json:"missing,omitempty"`
}

func parseSummary(b []byte) (s Summary, err error) {
	if err := json.Unmarshal(b, &s); err != nil {
		return s, errdefs.Errorf(errdefs.ErrCorrupt, "backup: %s: %w", summaryName, err)
	}
	if s.Format != formatVersion {
		return s, errdefs.Errorf(errdefs.ErrUnsupported, "backup: it is of format %d, and this release reads %d",
			s.Format, formatVersion)
	}
	return s, nil
}

// File is a small file of the root: its name has slashes.
type File struct {
	Name string
	Mode uint32
	Data []byte
}

// Target is where a backup goes.
type Target interface {
	// Database takes the file with the copy.
	Database(name string) error
	// Files takes small files.
	Files(all []File) error
	// Has says that a blob need not be sent.
	Has(ctx context.Context, desc ocispec.Descriptor) bool
	// Blob takes bytes, which fail to be read if they are not the digest's.
	Blob(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error
	// OnePass says that blobs come one after the other, and none that has begun can be
	// taken back.
	OnePass() bool
	// Finish makes the backup count: it is durable when this returns.
	Finish(ctx context.Context, s Summary, keep func(digest.Digest) (bool, error)) error
	// Close releases everything. Without Finish before it, what was there stays.
	Close() error
}

// TakeBlob is told of a blob and reads it.
type TakeBlob func(desc ocispec.Descriptor, r io.Reader) error

// Reader is a backup that is read, once and in the order of this interface.
type Reader interface {
	// Database writes the copy to a file that is not there yet.
	Database(ctx context.Context, name string) error
	// Rest visits everything else. Bytes of a blob fail to be read if they are not the
	// digest's.
	Rest(ctx context.Context, file func(File) error, blob TakeBlob) (Summary, error)
	Close() error
}

// incomplete is a backup that was cut off, or none.
func incomplete(name string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "%s is no whole backup: it has no %s, which is written last", name,
		summaryName)
}

// closeBoth joins the error of a work with that of closing what it used.
func closeBoth(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
