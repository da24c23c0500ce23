// Package s3store keeps blobs in a bucket of an S3 service.
//
//	PREFIX/blobs/<alg>/<hex>        complete blobs, and nothing else
//	PREFIX/writes/<key>/<name>      bytes of a write that is not committed
//
// How far a write has come, with the state of its hash, is kept by [States],
// which a registry has in its database: so any process that shares both goes on
// with a write that another one began, and reads nothing back to do so.
//
// A write is cut into parts of a multipart upload. S3 wants to know the name of
// an object before its bytes, and a blob's name is known after them: so the parts
// make an object below writes/, which the service itself copies to the blob's
// name. A blob that is smaller than one part is put there at once.
//
// Bytes that have no part yet are in files without a name in a folder of this
// machine, so that the memory of a write does not depend on its size.
package s3store

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/s3store/objects"
	"cove/errdefs"
	"cove/internal/limit"
)

var (
	_ content.BlobStore    = (*Store)(nil)
	_ content.BatchDeleter = (*Store)(nil)
	_ content.Putter       = (*Store)(nil)
	_ content.Locator      = (*Store)(nil)
)

// Options say how a Store writes. States is required.
type Options struct {
	States States
	// Spool is the folder for bytes on their way; "" is the system's for temporary
	// files. A write holds at most four parts there.
	Spool string
	// PartSize is the size of a write's first parts, in bytes; 0 is 32 MiB. A blob
	// below it is put at once, and spares the service two copies. S3 refuses parts of
	// less than 5 MiB.
	PartSize int64
}

// Store is a content.BlobStore in a bucket. It is safe for concurrent use, by any
// number of processes that share the States.
type Store struct {
	bucket   *objects.Bucket
	states   States
	spool    string
	partSize int64
	open     limit.Keyed // writes of this process
}

// New is a Store over a bucket.
func New(b *objects.Bucket, opts Options) (*Store, error) {
	if opts.States == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "s3 store: States are required")
	}
	if opts.PartSize == 0 {
		opts.PartSize = 32 << 20
	}
	return &Store{bucket: b, states: opts.States, spool: opts.Spool, partSize: opts.PartSize}, nil
}

const (
	blobsDir  = "blobs/"
	writesDir = "writes/"
)

func algorithms() []digest.Algorithm { return []digest.Algorithm{digest.SHA256, digest.SHA512} }

// blobKey is the only place where a digest becomes a key, and only a valid one
// does.
func blobKey(dgst digest.Digest) (string, error) {
	if err := dgst.Validate(); err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "digest %q: %w", dgst, err)
	}
	alg := dgst.Algorithm()
	if alg != digest.SHA256 && alg != digest.SHA512 {
		return "", errdefs.Errorf(errdefs.ErrUnsupported, "digest %q: only sha256 and sha512 are kept", dgst)
	}
	return blobsDir + alg.String() + "/" + dgst.Encoded(), nil
}

// blobError names the blob in a failure of the bucket.
func blobError(dgst digest.Digest, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errdefs.ErrNotFound):
		return content.BlobErrorf(errdefs.ErrNotFound, dgst, "is not stored here")
	}
	return &errdefs.Error{Object: content.BlobName(dgst), Kind: errdefs.KindOf(err), Err: err}
}

// Open implements content.Provider. The bytes are asked for at once: so what was
// opened is read to its end although somebody removes it meanwhile, if it is read
// from its start without a break.
func (s *Store) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	key, err := blobKey(desc.Digest)
	if err != nil {
		return nil, err
	}
	r, err := s.bucket.Open(ctx, key)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	if desc.Size != 0 && desc.Size != r.Size() {
		return nil, errors.Join(content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest,
			"%d bytes are stored, %d expected", r.Size(), desc.Size), r.Close())
	}
	return r, nil
}

// Stat implements content.Manager.
func (s *Store) Stat(ctx context.Context, dgst digest.Digest) (content.Info, error) {
	key, err := blobKey(dgst)
	if err != nil {
		return content.Info{}, err
	}
	o, err := s.bucket.Stat(ctx, key)
	if err != nil {
		return content.Info{}, blobError(dgst, err)
	}
	return content.Info{Digest: dgst, Size: o.Size, ModTime: o.ModTime}, nil
}

// Delete implements content.Manager. S3 does not tell whether there was
// something to delete, so it is asked first.
func (s *Store) Delete(ctx context.Context, dgst digest.Digest) error {
	key, err := blobKey(dgst)
	if err != nil {
		return err
	}
	if _, err := s.bucket.Stat(ctx, key); err != nil {
		return blobError(dgst, err)
	}
	return blobError(dgst, s.bucket.Delete(ctx, key))
}

// DeleteBatch implements content.BatchDeleter: a thousand blobs are one request.
func (s *Store) DeleteBatch(ctx context.Context, digests []digest.Digest) error {
	keys := make([]string, len(digests))
	for i, dgst := range digests {
		key, err := blobKey(dgst)
		if err != nil {
			return err
		}
		keys[i] = key
	}
	return s.bucket.Delete(ctx, keys...)
}

// Put implements content.Putter: one request, and no write to go on with.
func (s *Store) Put(ctx context.Context, desc ocispec.Descriptor, b []byte) error {
	key, err := blobKey(desc.Digest)
	if err != nil {
		return err
	}
	if desc.Size != 0 && desc.Size != int64(len(b)) {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", len(b), desc.Size)
	}
	if got := desc.Digest.Algorithm().FromBytes(b); got != desc.Digest {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "the %d bytes that came hash to %s", len(b), got)
	}
	return blobError(desc.Digest, s.bucket.Put(ctx, key, b))
}

// All implements content.Manager.
func (s *Store) All(ctx context.Context) iter.Seq2[content.Info, error] {
	return func(yield func(content.Info, error) bool) {
		for _, alg := range algorithms() {
			dir := blobsDir + alg.String() + "/"
			for o, err := range s.bucket.List(ctx, dir) {
				if err != nil {
					yield(content.Info{}, err)
					return
				}
				dgst := digest.NewDigestFromEncoded(alg, strings.TrimPrefix(o.Key, dir))
				if dgst.Validate() != nil {
					continue // see Foreign
				}
				if !yield(content.Info{Digest: dgst, Size: o.Size, ModTime: o.ModTime}, nil) {
					return
				}
			}
		}
	}
}

// Foreign implements content.Inspector. A bucket knows no links and no folders:
// what is foreign is an object whose name is no digest.
func (s *Store) Foreign(ctx context.Context) iter.Seq2[content.Foreign, error] {
	return func(yield func(content.Foreign, error) bool) {
		for o, err := range s.bucket.List(ctx, blobsDir) {
			if err != nil {
				yield(content.Foreign{}, err)
				return
			}
			if isBlob(o.Key) {
				continue
			}
			if !yield(content.Foreign{Name: o.Key, Reason: "an object whose name is no digest"}, nil) {
				return
			}
		}
	}
}

func isBlob(key string) bool {
	alg, hex, _ := strings.Cut(strings.TrimPrefix(key, blobsDir), "/")
	kept, err := blobKey(digest.NewDigestFromEncoded(digest.Algorithm(alg), hex))
	return err == nil && kept == key
}

// RemoveForeign implements content.Inspector.
func (s *Store) RemoveForeign(ctx context.Context, f content.Foreign) error {
	if !strings.HasPrefix(f.Name, blobsDir) || isBlob(f.Name) {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q is nothing foreign among the blobs", f.Name)
	}
	return s.bucket.Delete(ctx, f.Name)
}

// URL implements content.Locator, by a signature.
func (s *Store) URL(ctx context.Context, dgst digest.Digest, life time.Duration) (string, error) {
	key, err := blobKey(dgst)
	if err != nil {
		return "", err
	}
	return s.bucket.Presign(ctx, key, life)
}
