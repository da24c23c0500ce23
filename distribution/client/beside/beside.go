// Package beside asks APIs that a registry has beside the protocol: at the same address, with
// the same certificates, and with the same name and password.
package beside

import (
	"context"
	"io"
	"maps"
	"net/http"

	"cove/distribution/client/hosts"
	"cove/distribution/client/wire"
	"cove/errdefs"
)

// Server is a registry that is asked so.
type Server struct {
	wire *wire.Wire
	peer *wire.Peer
}

// At returns the registry at an address as people type it: HOST[:PORT], with https:// or
// http:// before it or not. The error is errdefs.ErrInvalid for what is none.
func At(w *wire.Wire, address string) (*Server, error) {
	base, err := hosts.MirrorOf(address) // a mirror is typed so too
	if err != nil || base.Prefix != "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "server %q: want https://HOST[:PORT]", address)
	}
	scheme := base.Scheme
	base = hosts.BaseOf(base.Host)
	base.Scheme = scheme
	return &Server{w, w.Peer(base)}, nil
}

// Host is its name, under which credentials are kept.
func (s *Server) Host() string { return s.peer.Host }

// Do sends one request to its Path below its API, with the keychain's name and password as
// they are (RFC 7617): such an API takes no token for repositories. The answer is returned
// whatever its status, and the caller closes its body; one that points elsewhere is not
// followed, since the password is for this registry alone. The failure to get any answer
// is explained.
func (s *Server) Do(ctx context.Context, in wire.Request) (*http.Response, error) {
	root, err := s.peer.Root(ctx)
	if err != nil {
		return nil, err
	}
	who, err := s.peer.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	body := io.Reader(http.NoBody)
	if in.Body != nil {
		body = in.Body()
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, root+in.API+in.Path, body)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "registry %s: %w", s.Host(), err)
	}
	maps.Copy(req.Header, in.Header)
	if in.Body != nil {
		req.ContentLength = in.Length
	}
	if who.Username != "" {
		req.SetBasicAuth(who.Username, who.Password)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := (&http.Client{Transport: s.wire, CheckRedirect: stay}).Do(req)
	if err != nil {
		return nil, s.peer.Explain(err)
	}
	return resp, nil
}
