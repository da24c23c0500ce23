package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"cove/distribution/errcode/answer"
	"cove/errdefs"
)

// errSlow is the cause of a context that ended because a peer took longer than
// its answer is worth: by sending it byte after byte it could otherwise keep us
// for ever.
var errSlow = errors.New("too slow")

// slow says so of an error that came because ctx ran out of our time, and not
// of the caller's.
func slow(ctx context.Context, err error, within time.Duration) error {
	if err == nil || ctx.Err() == nil || !errors.Is(context.Cause(ctx), errSlow) {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "its answer was not whole after %s", within)
}

// boundedBody is a body whose reading ends with its context.
type boundedBody struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // it is that of the request, which ends with Close
	stop   context.CancelFunc
	within time.Duration
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = slow(b.ctx, err, b.within)
	}
	return n, err
}

func (b *boundedBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}

// tokenWire is what go-containerregistry's transports stand on. It knows the
// requests for tokens, which that makes by itself, and bounds them: by time, and
// by what is worth a second try.
type tokenWire struct {
	peer  *Peer
	realm string
}

func (t *tokenWire) RoundTrip(req *http.Request) (*http.Response, error) {
	url, _, _ := strings.Cut(req.URL.String(), "?")
	realm, _, _ := strings.Cut(t.realm, "?")
	if url != realm {
		return t.peer.w.RoundTrip(req)
	}
	within := t.peer.w.cfg.Answer
	ctx, stop := context.WithTimeoutCause(req.Context(), within, errSlow)
	resp, err := t.peer.w.RoundTrip(req.WithContext(ctx))
	if err != nil {
		defer stop()
		return nil, slow(ctx, err, within)
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, ctx: ctx, stop: stop, within: within}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		defer drain(resp)
		e := answer.Parse(resp, t.peer.Host, t.peer.w.cfg.Now())
		e.Message = "its token service says: " + e.Message
		return nil, e
	}
	return resp, nil
}
