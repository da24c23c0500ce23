package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/client/retry"
	"cove/distribution/client/spans"
	"cove/distribution/client/wire"
	"cove/distribution/progress"
	"cove/errdefs"
)

// OpenBlob reads desc from offset on, from a mirror where one has it. After a
// cut the reader resumes by itself within the retry budget, and progress hears
// of it. A body of another length than desc.Size is an error and never an
// early EOF; the bytes are not hashed. A long one is fetched in ranges, several at
// once, where the registry answers them. The reader must be closed and is not
// safe for concurrent use.
func (r *Repository) OpenBlob(
	ctx context.Context, desc ocispec.Descriptor, offset int64, tell progress.Func,
) (io.ReadCloser, error) {
	until := desc.Size
	if until-offset >= spans.AtLeast {
		until = offset + spans.Size
	}
	first, err := r.openBlob(ctx, desc, offset, until, tell)
	if err != nil {
		return nil, err
	}
	if until == desc.Size || !first.ranged {
		first.until = desc.Size
		return first, nil
	}
	// How far it is, is told in the order of bytes.
	first.tell = tell.Retries()
	open := func(ctx context.Context, from, until int64) (io.ReadCloser, error) {
		b, err := r.openBlob(ctx, desc, from, until, first.tell)
		if err != nil {
			return nil, err // and no reader that is not there
		}
		return b, nil
	}
	return spans.NewReader(ctx, first, spans.Config{
		From: offset, End: desc.Size, Open: open, Slots: r.c.slots, Read: func(n int64) {
			tell.Tell(progress.Event{Kind: progress.Downloading, Desc: desc, Offset: n})
		},
	}), nil
}

// openBlob reads to until.
func (r *Repository) openBlob(
	ctx context.Context, desc ocispec.Descriptor, offset, until int64, tell progress.Func,
) (*blobReader, error) {
	b := &blobReader{
		ctx: ctx, repo: r, desc: desc, offset: offset, until: until, tell: tell, ended: -1,
		cut: make(map[*wire.Peer]error),
	}
	b.budget = r.c.retry.Begin(func(err error, wait time.Duration) {
		tell.Tell(progress.Event{Kind: progress.Retrying, Desc: desc, Offset: b.offset, Err: err, Wait: wait})
	})
	if offset == desc.Size {
		return b, nil
	}
	if err := r.read(ctx, b.open); err != nil {
		return nil, r.about(content.BlobName(desc.Digest), err)
	}
	return b, nil
}

// StatBlob asks how long a blob is, of a mirror where one has it; the registry's word
// is taken for it. One that a HEAD finds no way to is asked for by a GET of its first
// byte: storage that signs its addresses signs them for one method, and a proxy may
// know by GET alone what its own upstream has.
func (r *Repository) StatBlob(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst}
	err := r.read(ctx, func(p *wire.Peer) error {
		in := wire.Request{
			Method: http.MethodHead, Path: "/" + r.name + "/blobs/" + dgst.String(), Scopes: r.pullScopes(),
		}
		a, err := p.Call(ctx, in, http.StatusOK)
		switch wire.StatusOf(err) {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
			http.StatusNotAcceptable, http.StatusNotImplemented:
			a.Length = -1
		default:
			if err != nil {
				return err
			}
		}
		desc.Size = a.Length
		if a.Length < 0 {
			desc.Size, err = r.sizeByGet(ctx, p, in)
		}
		return err
	})
	return desc, r.about(content.BlobName(dgst), err)
}

func (r *Repository) sizeByGet(ctx context.Context, p *wire.Peer, in wire.Request) (int64, error) {
	in.Method, in.Header = http.MethodGet, http.Header{"Range": {"bytes=0-0"}}
	resp, err := p.Do(ctx, in, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close() // the whole blob, where ranges are not known
	size := resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		_, size = spans.ContentRange(resp.Header.Get("Content-Range"))
	}
	if size < 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "registry %s: does not say how long the blob is", p.Host)
	}
	return size, nil
}

// blobReader is one body after another.
type blobReader struct {
	ctx    context.Context //nolint:containedctx // it is the context of the reading, which ends with Close
	repo   *Repository
	desc   ocispec.Descriptor
	offset int64
	until  int64 // where it ends
	ranged bool  // what was opened is a range
	body   io.ReadCloser
	from   *wire.Peer           // who the body is from
	ended  int64                // where a body last ended by itself, too early; -1 before
	cut    map[*wire.Peer]error // mirrors that cut the line: they are not asked again
	budget *retry.Budget
	tell   progress.Func
}

func (b *blobReader) Read(p []byte) (int, error) {
	for {
		n, err := b.read(p)
		if n > 0 {
			b.offset += int64(n)
			b.budget.Progressed()
			b.tell.Tell(progress.Event{Kind: progress.Downloading, Desc: b.desc, Offset: b.offset})
			return n, nil
		}
		if err == nil {
			return 0, nil
		}
		if errors.Is(err, io.EOF) && b.offset == b.until {
			return 0, io.EOF
		}
		if err := b.resume(err); err != nil {
			return 0, b.repo.about(fmt.Sprintf("blob %s: stopped at byte %d of %d", b.desc.Digest, b.offset,
				b.desc.Size), err)
		}
	}
}

func (b *blobReader) read(p []byte) (int, error) {
	if b.body == nil {
		return 0, io.EOF // opened at its end
	}
	if left := b.until - b.offset; left > 0 {
		return b.body.Read(p[:min(int64(len(p)), left)])
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.until < b.desc.Size {
		return 0, io.EOF
	}
	// A digest of the bytes so far would be right, and the sender wrong.
	if n, _ := b.body.Read(p[:1]); n > 0 {
		return 0, errdefs.Errorf(errdefs.ErrCorrupt, "registry %s: sends more than its %d bytes", b.from.Host,
			b.desc.Size)
	}
	return 0, io.EOF
}

// resume opens the body anew at the offset: at the registry that had it, or,
// where a mirror failed, at the next.
func (b *blobReader) resume(err error) error {
	_ = b.body.Close()
	if errors.Is(err, io.EOF) { // the sender says that this is all
		err = io.ErrUnexpectedEOF
		if b.ended == b.offset && !b.from.Mirror {
			err = errdefs.Errorf(errdefs.ErrCorrupt, "it has only %d bytes there and should have %d", b.offset,
				b.desc.Size)
		}
		b.ended = b.offset
	}
	err = b.from.Explain(err)
	if b.from.Mirror {
		b.cut[b.from] = err
		return b.repo.read(b.ctx, b.open)
	}
	for {
		if err := b.budget.Again(b.ctx, err); err != nil {
			return err
		}
		if err = b.open(b.from); err == nil {
			return nil
		}
	}
}

// slowest is how many bytes a second a body has to bring on average, beyond
// Config.Answer.
const slowest = 1024

// open asks p for the rest of the blob.
func (b *blobReader) open(p *wire.Peer) error {
	if err := b.cut[p]; err != nil {
		return err
	}
	in := wire.Request{
		Method: http.MethodGet, Path: "/" + b.repo.name + "/blobs/" + b.desc.Digest.String(),
		Scopes: b.repo.pullScopes(),
		Within: b.repo.c.cfg.Answer + time.Second*time.Duration(min(b.desc.Size/slowest, 1<<30)),
	}
	if b.until < b.desc.Size {
		in.Header = http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", b.offset, b.until-1)}}
	} else if b.offset > 0 {
		in.Header = http.Header{"Range": {fmt.Sprintf("bytes=%d-", b.offset)}}
	}
	resp, err := p.Do(b.ctx, in, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return err
	}
	if err := b.accept(resp); err != nil {
		_ = resp.Body.Close()
		return p.Explain(err)
	}
	b.body, b.from = resp.Body, p
	if !p.Mirror {
		b.repo.c.blobs.Note(b.repo.host, b.repo.name, b.desc.Digest)
	}
	return nil
}

// accept holds an answer against what was asked for.
func (b *blobReader) accept(resp *http.Response) error {
	total := resp.ContentLength
	var skip int64
	if b.ranged = resp.StatusCode == http.StatusPartialContent; b.ranged {
		var start int64
		start, total = spans.ContentRange(resp.Header.Get("Content-Range"))
		if start != b.offset {
			return errdefs.Errorf(errdefs.ErrInvalid, "asked for bytes from %d on and was sent bytes %q", b.offset,
				resp.Header.Get("Content-Range"))
		}
	} else {
		skip = b.offset // a registry without ranges sends all of it again
	}
	if total >= 0 && total != b.desc.Size {
		return errdefs.Errorf(errdefs.ErrCorrupt, "it has %d bytes there and should have %d", total, b.desc.Size)
	}
	_, err := io.CopyN(io.Discard, resp.Body, skip)
	return err
}

func (b *blobReader) Close() error {
	if b.body == nil {
		return nil
	}
	return b.body.Close()
}

// BlobStore is what FetchBlob needs of a content store.
type BlobStore interface {
	content.Ingester
	Stat(ctx context.Context, dgst digest.Digest) (content.Info, error)
}

// FetchBlob brings desc into store, going on where an earlier, cut fetch left
// off; the store's Commit verifies it. A blob the store has is an AlreadyExists event
// and no bytes; one that another process is fetching is waited for.
func (r *Repository) FetchBlob(
	ctx context.Context, store BlobStore, desc ocispec.Descriptor, tell progress.Func,
) error {
	w, err := r.beginFetch(ctx, store, desc, tell)
	if err != nil || w == nil {
		return err
	}
	tell.Tell(progress.Event{Kind: progress.Downloading, Desc: desc, Offset: w.Offset()})
	resumed := w.Offset() > 0
	err = r.fetch(ctx, w, desc, tell)
	err = errors.Join(err, w.Close())
	if resumed && errors.Is(err, errdefs.ErrCorrupt) {
		// What the earlier fetch left was wrong. Commit may have forgotten it
		// already.
		if ferr := content.Forget(ctx, store, fetchID(desc.Digest)); ferr != nil {
			return errors.Join(err, ferr)
		}
		return r.FetchBlob(ctx, store, desc, tell)
	}
	if err != nil {
		return err
	}
	tell.Tell(progress.Event{Kind: progress.Downloaded, Desc: desc, Offset: desc.Size})
	return nil
}

func (r *Repository) fetch(ctx context.Context, w content.Writer, desc ocispec.Descriptor, tell progress.Func) error {
	if w.Offset() < desc.Size {
		body, err := r.OpenBlob(ctx, desc, w.Offset(), tell)
		if err != nil {
			return err
		}
		defer body.Close()
		if err := spans.Copy(w, body); err != nil {
			return err
		}
	}
	if err := w.Commit(ctx, desc); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

// fetchID names the write of a blob, so that whoever fetches it next goes on
// with it.
func fetchID(dgst digest.Digest) string { return "fetch/" + dgst.String() }

// beginFetch returns nil when the blob is there.
func (r *Repository) beginFetch(
	ctx context.Context, store BlobStore, desc ocispec.Descriptor, tell progress.Func,
) (content.Writer, error) {
	const poll = 100 * time.Millisecond
	for {
		if there, err := isThere(ctx, store, desc, tell); there || err != nil {
			return nil, err
		}
		w, err := store.Begin(ctx, fetchID(desc.Digest))
		if err == nil {
			// Whoever held the write before may have finished it since.
			there, err := isThere(ctx, store, desc, tell)
			if !there && err == nil {
				return w, nil
			}
			return nil, errors.Join(err, w.Close(), content.Forget(ctx, store, fetchID(desc.Digest)))
		}
		if !errors.Is(err, errdefs.ErrUnavailable) {
			return nil, err
		}
		if err := r.c.cfg.Sleep(ctx, poll); err != nil {
			return nil, err
		}
	}
}

// isThere reports, and tells, that a store has the blob. One of another size is
// damaged, or else desc is wrong: the registry is asked, and Commit decides.
func isThere(ctx context.Context, store BlobStore, desc ocispec.Descriptor, tell progress.Func) (bool, error) {
	info, err := store.Stat(ctx, desc.Digest)
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && info.Size != desc.Size {
		return false, nil
	}
	if err == nil {
		tell.Tell(progress.Event{Kind: progress.AlreadyExists, Desc: desc, Offset: desc.Size})
	}
	return err == nil, err
}
