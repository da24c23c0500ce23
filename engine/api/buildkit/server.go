// Package buildkit lets clients of BuildKit build with an engine: docker build with
// buildx, docker compose build, bake, and docker's own CLI before 23.
//
// It speaks BuildKit's gRPC services to clients, over a connection that was upgraded
// or over HTTP/2, and is the client of the services that they offer on their session:
// the files of contexts, secrets, agents, sign-ins, and where outputs are written.
// What is built is a Dockerfile, by engine/builds; a build that is given as LLB, the
// instructions that other frontends compile to, is refused.
package buildkit

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/util/bklog"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"cove/engine"
	"cove/engine/api/buildkit/peer"
	"cove/engine/api/buildkit/taken"
	"cove/engine/api/route"
	"cove/errdefs"
)

// Config is what a server serves.
type Config struct {
	Engine *engine.Engine
	// Access is what clients may do; nil is all.
	Access *route.Access
	// MaxContext bounds the bytes of one context, MaxFiles its entries; 0 is
	// DefaultMaxContext and DefaultMaxFiles.
	MaxContext int64
	MaxFiles   int
}

// The bounds of a context that a client sends.
const (
	DefaultMaxContext = 16 << 30
	DefaultMaxFiles   = 2 << 20
)

// maxMessage is the size of a gRPC message, as BuildKit has it.
const maxMessage = 16 << 20

// Server is safe for concurrent use. It has no goroutine of its own: each connection
// is served by the request that brought it.
type Server struct {
	cfg      Config
	sessions func() (*session.Manager, error)
	jobs     jobs
	grpc     *grpc.Server
}

// New returns a server.
func New(cfg Config) *Server {
	if cfg.MaxContext == 0 {
		cfg.MaxContext = DefaultMaxContext
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = DefaultMaxFiles
	}
	s := &Server{cfg: cfg, sessions: sync.OnceValues(session.NewManager)}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
	)
	control.RegisterControlServer(s.grpc, &controller{server: s})
	gateway.RegisterLLBBridgeServer(s.grpc, &bridge{server: s})
	grpc_health_v1.RegisterHealthServer(s.grpc, health.NewServer())
	return s
}

// Routes are those of clients of BuildKit: two that become something else, and the
// services themselves, for clients that begin with HTTP/2.
func (s *Server) Routes() []route.Route {
	build := func(path, test string, h route.Handler) route.Route {
		return route.Route{Method: http.MethodPost, Path: path, Needs: route.Build, Test: test, Handler: h}
	}
	const byUpgrade, byHTTP2 = "buildx build", "TestBuild (http2)"
	return []route.Route{
		build("/grpc", byUpgrade, s.serveGRPC),
		build("/session", byUpgrade, s.serveSession),
		build("/moby.buildkit.v1.Control/{method}", byHTTP2, s.call),
		build("/moby.buildkit.v1.frontend.LLBBridge/{method}", byHTTP2, s.call),
		build("/grpc.health.v1.Health/{method}", byHTTP2, s.call),
	}
}

// call answers one gRPC call over HTTP/2.
func (s *Server) call(w http.ResponseWriter, r *route.Request) error {
	if r.ProtoMajor != 2 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is called by gRPC over HTTP/2", r.URL.Path)
	}
	s.grpc.ServeHTTP(w, r.Request)
	return nil
}

// serveGRPC is POST /grpc: the connection becomes one of HTTP/2. An error is one
// before that; it returns when the connection has ended.
func (s *Server) serveGRPC(w http.ResponseWriter, r *route.Request) error {
	conn, err := taken.Over(w, r.Request)
	if conn == nil {
		return err
	}
	defer conn.Close()
	return taken.Serve(context.WithoutCancel(r.Context()), conn, s.grpc)
}

// serveSession is POST /session: the client offers services over the connection, and
// keeps it open while it wants something built.
func (s *Server) serveSession(w http.ResponseWriter, r *route.Request) error {
	conn, err := taken.Over(w, r.Request)
	if conn == nil {
		return err
	}
	return s.session(context.WithoutCancel(r.Context()), conn, r.Header)
}

// tunnel serves a session that goes through a call of another connection.
func (s *Server) tunnel(stream control.Control_SessionServer) error {
	conn, _, opts := grpchijack.Hijack(stream)
	return s.session(stream.Context(), conn, opts)
}

// session holds what a client offers on a connection until that ends.
func (s *Server) session(ctx context.Context, conn net.Conn, opts map[string][]string) error {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	ctx = bklog.WithLogger(ctx, logrus.NewEntry(quiet))
	sessions, err := s.sessions()
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "session: %w", err)
	}
	if err := sessions.HandleConn(ctx, taken.Watch(conn, cancel), peer.Own(ctx, s.cfg.Access, opts)); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "session: %w", err)
	}
	return nil
}

// peer is the session of a build; one that is not there yet is waited for, unless it is not
// to be.
func (s *Server) peer(ctx context.Context, id string, wait bool) (*peer.Peer, error) {
	arrives, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	sessions, err := s.sessions()
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "session: %w", err)
	}
	caller, err := sessions.Get(arrives, id, !wait)
	if err != nil || caller == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "the client's session %s is not there", id)
	}
	return peer.Of(ctx, caller), nil
}
