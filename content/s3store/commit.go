package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/s3store/objects"
	"cove/errdefs"
)

// Commit implements content.Writer. A blob that is there is replaced, by the same
// bytes unless it is damaged, which this heals.
func (w *writer) Commit(ctx context.Context, desc ocispec.Descriptor) error {
	if err := w.usable(); err != nil {
		return err
	}
	key, err := blobKey(desc.Digest)
	if err != nil {
		return err
	}
	if err := w.check(ctx, desc); err != nil {
		return w.orDrop(ctx, err)
	}
	if err := w.publish(ctx, key, desc.Digest); err != nil {
		return w.orDrop(ctx, fmt.Errorf("committing blob %s: %w", desc.Digest, w.named(lost(err))))
	}
	if w.saved.Dir != "" {
		// The blob is durable; what is left over of the write now, the janitor takes.
		_ = w.s.forget(context.WithoutCancel(ctx), w.claim, w.leftover())
	}
	_ = w.buf.Close()
	w.release()
	return nil
}

// lost says of an object of a write that is not there what that means.
func lost(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, objects.ErrLost) {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w: %w", objects.ErrLost, err)
	}
	return err
}

// orDrop forgets the write when its bytes are of no use.
func (w *writer) orDrop(ctx context.Context, err error) error {
	if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, objects.ErrLost) {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	_, _ = w.sending.wait() // a part that comes after the abort would stay
	err = errors.Join(err, w.s.forget(ctx, w.claim, w.leftover()), w.buf.Close())
	w.release()
	return err
}

// leftover is what is to be removed after a commit, or when there will be none.
func (w *writer) leftover() state {
	st := w.st
	if st.Whole {
		st.Upload = "" // it is an object now
	}
	st.Tails = append(st.Tails[:len(st.Tails):len(st.Tails)], w.saved.Tails...)
	return st
}

// check compares what is known of the bytes already.
func (w *writer) check(ctx context.Context, desc ocispec.Descriptor) error {
	if desc.Size != 0 && desc.Size != w.offset {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", w.offset, desc.Size)
	}
	if desc.Digest.Algorithm() == digest.SHA256 && w.Digest() != desc.Digest {
		return wrongBytes(desc.Digest, w.offset, w.Digest())
	}
	return ctx.Err()
}

func wrongBytes(want digest.Digest, size int64, got digest.Digest) error {
	return content.BlobErrorf(errdefs.ErrCorrupt, want, "the %d bytes that came hash to %s", size, got)
}

// publish makes the bytes the object with this key.
func (w *writer) publish(ctx context.Context, key string, dgst digest.Digest) error {
	if err := w.waitForParts(); err != nil {
		return err
	}
	switch {
	case w.st.Upload != "" && w.st.Blob != "" && w.st.Blob != key:
		return errdefs.Errorf(errdefs.ErrNotFound, "%w: it was begun as %s", objects.ErrLost, w.st.Blob)
	case w.st.Upload != "":
		if err := w.complete(ctx); err != nil {
			return err
		}
		if w.st.Blob != "" {
			return w.stays(ctx)
		}
		if err := w.checkStored(ctx, dgst); err != nil {
			return err
		}
		return w.s.bucket.Copy(ctx, w.st.data(), key, w.offset)
	case len(w.st.Tails) == 1 && w.buf.size == 0 && dgst.Algorithm() == digest.SHA256:
		return w.s.bucket.Copy(ctx, w.st.tail(w.st.Tails[0].Name), key, w.offset)
	}
	if err := w.gather(ctx); err != nil {
		return err
	}
	if err := check512(w.buf.reader(), dgst, w.offset); err != nil {
		return err
	}
	return w.s.bucket.PutWhole(ctx, key, w.buf.reader(), w.buf.size, w.Digest().Encoded())
}

// complete makes the parts an object. The last one, of any size, is none of the
// state's: should this fail, more may still be written behind it.
func (w *writer) complete(ctx context.Context) error {
	if w.st.Whole {
		return nil
	}
	if err := w.gather(ctx); err != nil {
		return err
	}
	parts := w.st.Parts[:len(w.st.Parts):len(w.st.Parts)]
	if w.buf.size > 0 {
		last, err := w.s.bucket.SendPart(ctx, w.st.upload(), len(parts)+1, w.buf.reader(), w.buf.size)
		if err != nil {
			return err
		}
		parts = append(parts, last)
	}
	err := w.s.bucket.Complete(ctx, w.st.upload(), parts)
	if errors.Is(err, objects.ErrLost) && w.there(ctx) {
		// The answer to the first try was lost, and the second found the upload over.
		err = nil
	}
	w.st.Whole = err == nil
	return err
}

// there says that the object of the upload is, with the bytes that were written.
func (w *writer) there(ctx context.Context) bool {
	o, err := w.s.bucket.Stat(ctx, w.st.data())
	if err != nil || o.Size != w.offset {
		return false
	}
	if w.st.Blob == "" {
		return true // nobody else writes to this name
	}
	r, err := w.s.bucket.Open(ctx, w.st.data())
	if err != nil {
		return false
	}
	defer r.Close()
	got, err := digest.FromReader(content.Until(ctx, content.NewReader(r)))
	return err == nil && got == w.Digest()
}

// stays makes sure of a blob that its parts became. A service may take a deletion of the
// name that came while the parts did, as a collector's of the same blob, for the later one,
// and say all the same that the parts are an object (CompleteMultipartUpload of S3).
func (w *writer) stays(ctx context.Context) error {
	o, err := w.s.bucket.Stat(ctx, w.st.Blob)
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && o.Size != w.offset {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w: it was deleted while its parts came", objects.ErrLost)
	}
	return err
}

// checkStored hashes what was written by another algorithm than the one that
// followed it. That is rare, and known only now.
func (w *writer) checkStored(ctx context.Context, dgst digest.Digest) error {
	if dgst.Algorithm() == digest.SHA256 {
		return nil
	}
	r, err := w.s.bucket.Open(ctx, w.st.data())
	if err != nil {
		return err
	}
	defer r.Close()
	return check512(content.NewReader(r), dgst, w.offset)
}

func check512(r io.Reader, dgst digest.Digest, size int64) error {
	if dgst.Algorithm() == digest.SHA256 {
		return nil
	}
	got, err := dgst.Algorithm().FromReader(r)
	if err == nil && got != dgst {
		err = wrongBytes(dgst, size, got)
	}
	return err
}

// fetch reads an object of this size into a spool.
func (s *Store) fetch(ctx context.Context, key string, size int64, to *spool) error {
	r, err := s.bucket.Open(ctx, key)
	if err != nil {
		return lost(err)
	}
	defer r.Close()
	if r.Size() != size {
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s%s: %d bytes are stored, %d expected",
			s.bucket.Name(), key, r.Size(), size)
	}
	_, err = io.Copy(to, content.NewReader(r))
	return err
}

func copySpool(to, from *spool) error {
	_, err := io.Copy(to, from.reader())
	return err
}
