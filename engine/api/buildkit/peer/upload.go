package peer

import (
	"context"
	"io"
	"net/url"
	"strings"

	"github.com/moby/buildkit/session/upload"

	"cove/errdefs"
)

// uploads begins the URL of an archive that the peer has, as its standard input.
const uploads = "http://buildkit-session/"

// IsUpload says that a URL is for Upload.
func IsUpload(text string) bool { return strings.HasPrefix(text, uploads) }

// Upload reads an archive from the peer.
func (p *Peer) Upload(ctx context.Context, text string) (io.Reader, error) {
	at, err := url.Parse(text)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "context %s: %w", text, err)
	}
	from, err := upload.New(ctx, p.caller, at)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "receiving the context from the client: %w", err)
	}
	pr, pw := io.Pipe()
	context.AfterFunc(ctx, func() { pr.CloseWithError(ctx.Err()) })
	go func() {
		_, err := from.WriteTo(pw)
		pw.CloseWithError(err)
	}()
	return pr, nil
}
