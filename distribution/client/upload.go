package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/client/retry"
	"cove/distribution/client/wire"
	"cove/distribution/errcode"
	"cove/distribution/progress"
	"cove/errdefs"
)

// PushOptions are the choices of a push.
type PushOptions struct {
	// MountFrom names repositories at the same registry that may hold the
	// blobs already, best first.
	MountFrom []string
	Progress  progress.Func
	// Uploads, when set, remembers unfinished uploads for a later process.
	Uploads Uploads
}

// wholeLimit is the size up to which a blob goes in the finishing PUT itself,
// which spares a request. A larger one goes in a PATCH, because some
// registries forget an upload whose PUT was cut.
const wholeLimit = 8 << 20

// worthWaiting is the size from which a blob waits until another repository of the registry
// has been sent it: a smaller one is sent in less time than the waiting takes.
const worthWaiting = 1 << 20

// mostMounts is how many repositories a blob of that size is asked of before it is sent: each
// costs a round trip or two.
const mostMounts = 4

// PushBlob uploads one blob unless the repository has it or can mount it: from where
// the options say, or from where this client read it or sent it before. Cut in the
// middle, it asks the registry how far it got and goes on there. Of several
// repositories of one registry that are sent the same large blob at once, one is, and
// the others wait for it.
func (r *Repository) PushBlob(
	ctx context.Context, desc ocispec.Descriptor, src content.Provider, opts PushOptions,
) error {
	if desc.Size >= worthWaiting {
		unlock, err := r.c.blobs.Lock(ctx, r.host, desc.Digest)
		if err != nil {
			return r.about(content.BlobName(desc.Digest), err)
		}
		defer unlock()
	}
	opts.MountFrom = r.c.blobs.From(r.host, r.name, desc.Digest, opts.MountFrom)
	u := &upload{repo: r, peer: r.origin(), desc: desc, src: src, opts: opts}
	u.budget = r.c.retry.Begin(func(err error, wait time.Duration) {
		opts.Progress.Tell(progress.Event{Kind: progress.Retrying, Desc: desc, Offset: u.offset, Err: err, Wait: wait})
	})
	for {
		err := u.try(ctx)
		if err == nil {
			r.c.blobs.Note(r.host, r.name, desc.Digest)
			return r.about(u.state(nil), u.forget(ctx))
		}
		if err := u.budget.Again(ctx, err); err != nil {
			return r.about(u.state(err), err)
		}
	}
}

// upload is one blob on its way up.
type upload struct {
	repo   *Repository
	peer   *wire.Peer
	desc   ocispec.Descriptor
	src    content.Provider
	opts   PushOptions
	budget *retry.Budget

	started  bool   // Pushing was told
	resumed  bool   // part of it was there from before a cut
	location string // of the upload at the registry; "" when there is none
	offset   int64  // what the registry has of it
	recalled bool   // it was looked for an upload of an earlier process
	kept     string // the location that a later one would find
}

// state names the blob, and how far it got when the line is to blame.
func (u *upload) state(err error) string {
	s := "blob " + u.desc.Digest.String()
	if err != nil && u.started && wire.Passing(err) {
		s += fmt.Sprintf(": stopped at byte %d of %d (what arrived whole stays there; push again to go on)", u.offset,
			u.desc.Size)
	}
	return s
}

func (u *upload) tell(kind progress.Kind, from string) {
	u.opts.Progress.Tell(progress.Event{Kind: kind, Desc: u.desc, Offset: u.offset, From: from})
}

// try brings the blob up from wherever it is.
func (u *upload) try(ctx context.Context) error {
	if err := u.recall(ctx); err != nil {
		return err
	}
	if u.location != "" {
		if err := u.ask(ctx); err != nil {
			return err
		}
	}
	if u.location == "" {
		done, err := u.begin(ctx)
		if done || err != nil {
			return err
		}
	}
	if err := u.keep(ctx); err != nil {
		return err
	}
	if !u.started {
		u.started = true
		u.tell(progress.Pushing, "")
	}
	return u.send(ctx)
}

// begin looks whether the blob is there, mounts it, or opens an upload.
func (u *upload) begin(ctx context.Context) (done bool, err error) {
	u.offset = 0
	there, err := u.exists(ctx)
	if err != nil {
		return false, err
	}
	if there {
		u.offset = u.desc.Size
		kind := progress.AlreadyExists
		if u.started { // the answer to our commit was lost, not the commit
			kind = progress.Pushed
		}
		u.tell(kind, "")
		return true, nil
	}
	if done, err := u.mount(ctx); done || err != nil || u.location != "" {
		return done, err
	}
	return u.post(ctx, "")
}

// mount asks for a mount from the places that are known. A registry where the blob is not
// opens an upload instead, which goes on when no other place has it.
func (u *upload) mount(ctx context.Context) (done bool, err error) {
	tries := 1
	if u.desc.Size >= worthWaiting {
		tries = mostMounts
	}
	for _, from := range u.opts.MountFrom {
		opened := u.location
		done, err := u.post(ctx, from)
		if opened != "" {
			if err != nil {
				u.location = opened
				return false, ctx.Err()
			}
			if done || u.location != opened { // it got no byte, and is dropped some day where that fails
				_, _ = u.call(ctx, wire.Request{Method: http.MethodDelete, Location: opened}, http.StatusNoContent)
			}
		}
		if tries--; done || err != nil || tries == 0 {
			return done, err
		}
	}
	return false, nil
}

func (u *upload) exists(ctx context.Context) (bool, error) {
	a, err := u.call(ctx, wire.Request{
		Method: http.MethodHead,
		Path:   "/" + u.repo.name + "/blobs/" + u.desc.Digest.String(),
	}, http.StatusOK)
	if errors.Is(err, errdefs.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return a.Length < 0 || a.Length == u.desc.Size, nil
}

// post asks for a mount from another repository, or for an upload. A registry
// that cannot mount opens an upload in the same answer.
func (u *upload) post(ctx context.Context, from string) (mounted bool, err error) {
	path := "/" + u.repo.name + "/blobs/uploads/"
	if from != "" {
		path += "?" + url.Values{"mount": {u.desc.Digest.String()}, "from": {from}}.Encode()
	}
	a, err := u.call(ctx, wire.Request{Method: http.MethodPost, Path: path}, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return false, err
	}
	if a.Status == http.StatusCreated {
		u.offset = u.desc.Size
		u.tell(progress.Mounted, from)
		return true, nil
	}
	return false, u.follow(a)
}

// follow takes the Location of an answer for the next request.
func (u *upload) follow(a wire.Answer) error {
	loc, err := a.Location()
	if err != nil {
		if u.location != "" {
			return nil // it may leave out what does not change
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "registry %s: opened an upload without saying where: %w", u.peer.Host,
			err)
	}
	u.location = loc
	return nil
}

// ask finds out how far the registry got. An upload that it forgot is begun
// anew.
func (u *upload) ask(ctx context.Context) error {
	a, err := u.call(ctx, wire.Request{Method: http.MethodGet, Location: u.location}, http.StatusNoContent,
		http.StatusOK)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrInvalid) ||
		errors.Is(err, errdefs.ErrUnsupported) {
		u.location = ""
		return nil
	}
	if err != nil {
		return err
	}
	held, ok := wire.Held(a.Header.Get("Range"))
	if !ok || held > u.desc.Size {
		u.location = ""
		return nil
	}
	if held > u.offset {
		u.budget.Progressed()
	}
	u.offset, u.resumed = held, true
	return u.follow(a)
}

// send moves the rest of the bytes and commits.
func (u *upload) send(ctx context.Context) error {
	rd, err := u.src.Open(ctx, u.desc)
	if err != nil {
		return err
	}
	defer rd.Close()
	if u.offset == 0 && u.desc.Size <= wholeLimit {
		return u.put(ctx, u.body(rd), u.desc.Size)
	}
	if u.offset < u.desc.Size {
		if err := u.patch(ctx, rd); err != nil {
			return err
		}
	}
	return u.put(ctx, nil, 0)
}

// patch sends all that is left in one chunk.
func (u *upload) patch(ctx context.Context, rd content.Reader) error {
	left := u.desc.Size - u.offset
	in := wire.Request{
		Method: http.MethodPatch, Location: u.location, Body: u.body(rd), Length: left,
		Header: http.Header{"Content-Type": {"application/octet-stream"}},
	}
	if u.offset > 0 {
		in.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, u.desc.Size-1))
	}
	a, err := u.call(ctx, in, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	if err != nil {
		return u.outOfStep(err)
	}
	if held, ok := wire.Held(a.Header.Get("Range")); ok && held != u.desc.Size {
		return errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: took %d of %d bytes", u.peer.Host, held,
			u.desc.Size)
	}
	u.offset = u.desc.Size
	return u.follow(a)
}

// put commits the upload, with the whole body in it when there is one.
func (u *upload) put(ctx context.Context, body func() io.Reader, length int64) error {
	loc, err := url.Parse(u.location)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "registry %s: its upload's location is no URL: %w", u.peer.Host, err)
	}
	q := loc.Query()
	q.Set("digest", u.desc.Digest.String())
	loc.RawQuery = q.Encode()
	in := wire.Request{Method: http.MethodPut, Location: loc.String(), Body: body, Length: length}
	if body != nil {
		in.Header = http.Header{"Content-Type": {"application/octet-stream"}}
	}
	if _, err := u.call(ctx, in, http.StatusCreated, http.StatusNoContent, http.StatusAccepted); err != nil {
		return u.outOfStep(err)
	}
	u.offset = u.desc.Size
	u.tell(progress.Pushed, "")
	return nil
}

// outOfStep makes of "I have another offset", "I do not know this upload" and
// "it was cut" an error to try again after: the next try asks. So it does, once, of a wrong
// digest when part of the bytes is from before a cut.
func (u *upload) outOfStep(err error) error {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return err
	}
	patched := u.resumed && e.Code == errcode.DigestInvalid
	if patched {
		u.resumed, u.location = false, ""
	}
	if patched || e.Status == http.StatusRequestedRangeNotSatisfiable || e.Code == errcode.BlobUploadUnknown ||
		e.Code == errcode.BlobUploadInvalid {
		return errdefs.Errorf(errdefs.ErrUnavailable, "upload out of step: %w", err)
	}
	return err
}

// call sends a request with the rights of this push. It may leave for another
// host, as a Location may; credentials do not.
func (u *upload) call(ctx context.Context, in wire.Request, ok ...int) (wire.Answer, error) {
	in.Scopes = u.repo.pushScopes(u.opts.MountFrom...)
	return u.peer.Call(ctx, in, ok...)
}

// body reads the blob from the upload's offset on and tells of progress.
func (u *upload) body(rd content.Reader) func() io.Reader {
	at, desc, tell := u.offset, u.desc, u.opts.Progress
	return func() io.Reader {
		return progress.Reader(io.NewSectionReader(rd, at, desc.Size-at), progress.Pushing, desc, at, tell)
	}
}
