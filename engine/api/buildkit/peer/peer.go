// Package peer is whoever wants something built, as a session offers them: the files
// of contexts, secrets, agents of ssh, sign-ins at registries, and places for outputs.
// What comes from there is bounded, and written below one directory.
package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"cove/engine"
	"cove/engine/builds"
	"cove/errdefs"
)

// Peer is safe for concurrent use.
type Peer struct {
	ctx    context.Context //nolint:containedctx // of the build, which the engine's callbacks are not given
	caller session.Caller
}

// maxSecret bounds one secret.
const maxSecret = 1 << 20

// Of returns the peer of a session, for a build that ends with the context.
func Of(ctx context.Context, caller session.Caller) *Peer { return &Peer{ctx: ctx, caller: caller} }

// Kept is under what files of the peer are kept for its next build, "" if they are not; hints are
// the peer's own words of what is alike.
func (p *Peer) Kept(w Wanted, hints ...string) string {
	shared := p.caller.SharedKey()
	if shared == "" {
		return ""
	}
	return Key(shared, w.Name, w.Follow, w.Exclude, hints)
}

// Key is one text for several values, which it does not tell.
func Key(all ...any) string {
	text, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// isMissing says that a client has no such thing, or no such service.
func isMissing(err error) bool {
	code := grpcerrors.Code(err)
	return code == codes.NotFound || code == codes.Unimplemented
}

// Secret implements builds.Finder.
func (p *Peer) Secret(ctx context.Context, id string) ([]byte, error) {
	value, err := secrets.GetSecret(ctx, p.caller, id)
	switch {
	case errors.Is(err, secrets.ErrNotFound):
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "the client has no secret %q", id)
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "asking the client: %w", err)
	case len(value) > maxSecret:
		return nil, errdefs.Errorf(errdefs.ErrExhausted, "it has %d bytes, and at most %d are taken",
			len(value), maxSecret)
	}
	return value, nil
}

// Agent implements builds.Finder.
func (p *Peer) Agent(ctx context.Context, id string) (builds.Agent, error) {
	if err := sshforward.CheckSSHID(ctx, p.caller, id); err != nil {
		if isMissing(err) || grpcerrors.Code(err) == codes.Unknown {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "the client has no ssh agent %q", id)
		}
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "asking the client: %w", err)
	}
	return agent{p, id}, nil
}

// agent is one that the client runs.
type agent struct {
	peer *Peer
	id   string
}

// Serve implements builds.Agent: it carries the connection to the client.
func (a agent) Serve(conn net.Conn) error {
	ctx := metadata.NewOutgoingContext(a.peer.ctx, metadata.Pairs(sshforward.KeySSHID, a.id))
	stream, err := sshforward.NewSSHClient(a.peer.caller.Conn()).ForwardAgent(ctx)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return sshforward.Copy(ctx, conn, stream, stream.CloseSend)
}

// authTimeout is how long a client may take to find a sign-in, which may be a
// program that asks somebody.
const authTimeout = time.Minute

// Credentials implements engine.Keychain. A client without the service has none.
func (p *Peer) Credentials(ctx context.Context, host string) (engine.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	if host == "docker.io" {
		host = "registry-1.docker.io" // by which clients know it
	}
	resp, err := auth.NewAuthClient(p.caller.Conn()).Credentials(ctx, &auth.CredentialsRequest{Host: host})
	switch {
	case err != nil && isMissing(err):
		return engine.Credentials{}, nil
	case err != nil:
		return engine.Credentials{}, errdefs.Errorf(errdefs.ErrUnavailable,
			"asking the client how to sign in at %s: %w", host, err)
	case resp.Username == "" && resp.Secret != "":
		return engine.Credentials{IdentityToken: resp.Secret}, nil
	}
	return engine.Credentials{Username: resp.Username, Password: resp.Secret}, nil
}

// Send writes one output to the client.
func (p *Peer) Send(exporter int, names string, write func(io.Writer) error) error {
	md := map[string]string{}
	if names != "" {
		md["image.name"] = names
	}
	w, err := filesync.CopyFileWriter(p.ctx, md, exporter, p.caller)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "sending the output to the client: %w", err)
	}
	if err := write(w); err != nil {
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "sending the output to the client: %w", err)
	}
	return nil
}

// SendFolder writes the files of a directory to the client.
func (p *Peer) SendFolder(ctx context.Context, exporter int, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "reading the output: %w", err)
	}
	defer root.Close()
	err = filesync.CopyToCaller(ctx, fsutil.NewRootFS(fsutil.NewRoot(root)), exporter, p.caller, nil,
		filesync.WithExporterMultiPlatformTransfer())
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "sending the output to the client: %w", err)
	}
	return nil
}
