package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/distribution"
	"cove/distribution/errcode"
	"cove/distribution/server/byterange"
	"cove/errdefs"
	"cove/reference"
)

// startUpload is a POST: a mount, a whole blob at once, or the begin of an
// upload, in the order in which the specification lets one fall back to the
// next.
func (s *server) startUpload(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	q := t.query
	if q.Has("mount") {
		done, err := s.mount(ctx, w, r, t, q)
		if done || err != nil {
			return err
		}
	}
	since := s.Now()
	up, err := s.Registry.StartUpload(ctx, t.repo)
	if err != nil {
		return err
	}
	defer up.Close()
	if !q.Has("digest") {
		uploadState(w.Header(), t.repo, up)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	dgst, err := s.whole(ctx, r, t, up, since)
	if err != nil {
		// Nobody knows this upload's name, so nobody can go on with it; should
		// the cancel fail, the registry clears it away as it does any that was
		// left.
		_ = up.Cancel(context.WithoutCancel(ctx))
		return err
	}
	created(w, t.repo, "/blobs/", dgst)
	return nil
}

// whole takes all of a blob in the request that began its upload.
func (s *server) whole(
	ctx context.Context, r *http.Request, t target, up distribution.Upload, since time.Time,
) (digest.Digest, error) {
	dgst, bad := digestParam(t.query)
	if bad != nil {
		return "", bad
	}
	if err := receive(up, r); err != nil {
		return "", err
	}
	return dgst, s.commit(ctx, up, dgst, since)
}

// mountsFrom is the right that a mount needs in another repository, if its
// client named one.
func mountsFrom(q url.Values) (distribution.Access, bool) {
	from := q.Get("from")
	if !q.Has("mount") || !reference.ValidRepository(from) {
		return distribution.Access{}, false
	}
	return distribution.Access{Repository: from, Actions: []distribution.Action{distribution.Pull}}, true
}

// mount answers 201 when the blob became a member of the repository. Whatever
// keeps it from that, missing rights on the other repository included, turns
// into an ordinary upload, so that a mount tells nothing about what the caller
// may not see. Who may see it and only has a token for less is sent for another.
func (s *server) mount(
	ctx context.Context, w http.ResponseWriter, r *http.Request, t target, q url.Values,
) (done bool, err error) {
	dgst, err := reference.ParseDigest(q.Get("mount"))
	if err != nil {
		return false, errcode.New(http.StatusBadRequest, errcode.DigestInvalid, err.Error())
	}
	from, named := mountsFrom(q)
	switch {
	case named:
		_, err := s.Authorizer.Authorize(r, from)
		if errors.Is(err, errdefs.ErrUnauthenticated) {
			return false, err
		}
		if err != nil {
			return false, nil //nolint:nilerr // no right to pull there is the same as nothing there
		}
	case q.Get("from") != "": // not a name
		return false, nil
	}
	desc, err := s.Registry.MountBlob(ctx, t.repo, from.Repository, dgst)
	switch {
	case errors.Is(err, errdefs.ErrNotFound), errors.Is(err, errdefs.ErrUnsupported), errors.Is(err,
		errdefs.ErrCorrupt):
		return false, nil
	case err != nil:
		return false, err
	}
	created(w, t.repo, "/blobs/", desc.Digest)
	return true, nil
}

func (s *server) uploadStatus(ctx context.Context, w http.ResponseWriter, _ *http.Request, t target) error {
	up, err := s.Registry.ResumeUpload(ctx, t.repo, t.ref)
	if err != nil {
		return err
	}
	defer up.Close()
	uploadState(w.Header(), t.repo, up)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) cancelUpload(ctx context.Context, w http.ResponseWriter, _ *http.Request, t target) error {
	up, err := s.Registry.ResumeUpload(ctx, t.repo, t.ref)
	if err != nil {
		return err
	}
	defer up.Close()
	if err := up.Cancel(ctx); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) patchUpload(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	up, err := s.Registry.ResumeUpload(ctx, t.repo, t.ref)
	if err != nil {
		return err
	}
	defer up.Close()
	if err := chunk(w, r, t, up); err != nil {
		return err
	}
	// What a 202 acknowledges is what a later request finds.
	if err := up.Close(); err != nil {
		return err
	}
	uploadState(w.Header(), t.repo, up)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *server) finishUpload(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	dgst, bad := digestParam(t.query)
	if bad != nil {
		return bad
	}
	since := s.Now()
	up, err := s.Registry.ResumeUpload(content.WithExpected(ctx, dgst), t.repo, t.ref)
	if err != nil {
		return err
	}
	defer up.Close()
	if err := chunk(w, r, t, up); err != nil {
		return err
	}
	if err := s.commit(ctx, up, dgst, since); err != nil {
		return err
	}
	created(w, t.repo, "/blobs/", dgst)
	return nil
}

// commit makes a blob of an upload that began since then.
func (s *server) commit(ctx context.Context, up distribution.Upload, dgst digest.Digest, since time.Time) error {
	desc, err := up.Commit(ctx, dgst)
	if err == nil {
		s.verified.pushed(desc.Digest, since)
	}
	return err
}

// digestParam reads the digest that a client promises its bytes have.
func digestParam(q url.Values) (digest.Digest, *errcode.Error) {
	dgst, err := reference.ParseDigest(q.Get("digest"))
	if err != nil {
		return "", errcode.New(http.StatusBadRequest, errcode.DigestInvalid, err.Error())
	}
	return dgst, nil
}

// fits holds a chunk's Content-Range, where it has one, against what the
// upload has. A chunk out of order is a 416 with the upload's state beside it
// (spec.md, "Pushing a blob in chunks").
func fits(r *http.Request, offset int64) *errcode.Error {
	v := r.Header.Get("Content-Range")
	if v == "" {
		return nil
	}
	start, end, ok := byterange.ParseContent(v)
	switch {
	case !ok:
		return errcode.New(http.StatusRequestedRangeNotSatisfiable, errcode.RangeInvalid,
			"Content-Range is not START-END")
	case start != offset:
		return errcode.New(http.StatusRequestedRangeNotSatisfiable, errcode.RangeInvalid,
			"chunk begins at "+strconv.FormatInt(start, 10)+", the upload goes on at "+strconv.FormatInt(offset, 10))
	case r.ContentLength >= 0 && r.ContentLength != end-start+1:
		return errcode.New(http.StatusBadRequest, errcode.SizeInvalid,
			"Content-Length and Content-Range name different sizes")
	}
	return nil
}

// chunk takes the body as the upload's next bytes.
func chunk(w http.ResponseWriter, r *http.Request, t target, up distribution.Upload) error {
	if bad := fits(r, up.Offset()); bad != nil {
		uploadState(w.Header(), t.repo, up)
		return bad
	}
	return receive(up, r)
}

// receive moves the body into the upload. A client that goes away in the
// middle keeps what came through: it asks for the status and goes on.
func receive(up distribution.Upload, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	body := &bodyReader{Reader: r.Body}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(writerOnly{up}, body, buf[:])
	if err != nil && body.err != nil {
		return &errcode.Error{
			Code: errcode.BlobUploadInvalid, Status: http.StatusBadRequest, Kind: errdefs.ErrInvalid,
			Message: "the upload was cut off; ask for its status and go on from there", Err: body.err,
		}
	}
	return err
}

const copySize = 256 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// bodyReader tells a client that went away from a store that cannot write.
type bodyReader struct {
	io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// writerOnly hides an upload's ReadFrom, which would not use our buffer.
type writerOnly struct{ io.Writer }
