// Package server speaks the server's side of the OCI Distribution protocol.
//
// It turns requests into calls of a [distribution.Registry] and its answers
// and errors into HTTP, exactly as the specification (1.1) words them. It
// holds no state that a client depends on: uploads live in the registry, so
// any replica answers any request. Who may do what is asked of an Authorizer
// once per request, with the accesses that the route table names.
//
// Stored bytes are hashed on the way out the first time a process serves them,
// and the last of them are held back until the digest is right; after that the
// kernel sends them straight from the file until the file changes or
// Config.VerifyEvery has passed. A wrong body is therefore never complete.
package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
	"cove/errdefs"
)

// Config is what a server needs. Registry and Authorizer are required.
type Config struct {
	Registry   distribution.Registry
	Authorizer Authorizer
	// OnError, when set, sees every error that becomes an answer, with the
	// status: the place to log from. It runs in the request's goroutine.
	OnError func(r *http.Request, status int, err error)
	// OnDamaged, when set, hears of a blob whose stored bytes a read found not to
	// be its digest's. It runs in the request's goroutine.
	OnDamaged func(ctx context.Context, dgst digest.Digest)
	// Locate, when set, says where a client of this repository gets a blob without
	// this server in between: the answer to its GET is a redirect there. "" has the
	// blob served here. Its errors are those of BlobReader.OpenBlob.
	Locate func(ctx context.Context, repo string, dgst digest.Digest) (url string, err error)
	// ManifestLimit is the largest manifest taken, in bytes; 0 is 4 MiB.
	ManifestLimit int64
	// ManifestDepth is how deep objects may lie in each other in a manifest that is
	// pushed; 0 is what package manifest reads.
	ManifestDepth int
	// NameLimit is the longest name of a repository, in bytes; 0 is that of the grammar.
	NameLimit int
	// PageSize is the largest page of tags or repositories; 0 is 1,000.
	PageSize int
	// VerifyEvery is how long a blob, once hashed, is served unhashed while
	// its file stays unchanged; 0 is an hour.
	VerifyEvery time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New returns a handler for every path under /v2/. It is safe for concurrent
// use. Wrap it only with ResponseWriters that pass io.ReaderFrom on, or blobs
// are copied through user space.
func New(cfg Config) (http.Handler, error) {
	if cfg.Registry == nil || cfg.Authorizer == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "distribution server: a Registry and an Authorizer are required")
	}
	if cfg.ManifestLimit == 0 {
		cfg.ManifestLimit = 4 << 20
	}
	if cfg.PageSize == 0 {
		cfg.PageSize = 1000
	}
	if cfg.VerifyEvery == 0 {
		cfg.VerifyEvery = time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.OnDamaged == nil {
		cfg.OnDamaged = func(context.Context, digest.Digest) {}
	}
	s := &server{
		Config:   cfg,
		verified: newVerified(cfg.VerifyEvery, cfg.Now),
	}
	for _, r := range routes() {
		s.routes[r.end] = append(s.routes[r.end], r)
	}
	return s, nil
}

type server struct {
	Config
	routes   [endpoints][]route
	verified *verified
}

// ServeHTTP finds the route, asks who may, calls the handler, and turns its
// error into an answer.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Docker-Distribution-Api-Version"] = apiVersion
	t, ok, bad := parsePath(r.URL.Path)
	if !ok {
		s.fail(w, r, errcode.New(http.StatusNotFound, errcode.Unsupported, "no such endpoint"), errcode.Registry)
		return
	}
	rt, ok := s.route(t.end, r.Method)
	if !ok {
		w.Header().Set("Allow", s.allow(t.end))
		s.fail(w, r, errcode.New(http.StatusMethodNotAllowed, errcode.Unsupported, "method not allowed here"),
			errcode.Registry)
		return
	}
	if bad != nil {
		s.fail(w, r, rt.lenient(bad), rt.object)
		return
	}
	if n := s.NameLimit; n != 0 && len(t.repo) > n {
		s.fail(w, r, errcode.New(http.StatusBadRequest, errcode.NameInvalid,
			"a repository name has "+strconv.Itoa(n)+" bytes at most"), rt.object)
		return
	}
	if t.query, bad = parseQuery(r.URL.RawQuery); bad != nil {
		s.fail(w, r, bad, rt.object)
		return
	}
	access := distribution.Access{Repository: t.repo, Actions: rt.actions}
	ctx, err := s.Authorizer.Authorize(r, access)
	if err != nil {
		s.challenge(w, r, err, access, t)
		s.fail(w, r, err, rt.object)
		return
	}
	if err := rt.handle(s, ctx, w, r, t); err != nil {
		s.challenge(w, r, err, access, t)
		s.fail(w, r.WithContext(ctx), err, rt.object) // OnError may ask who the caller is
	}
}

// challenge tells who is not signed in far enough what a token must cover: for a
// mount that is both repositories, so that the client need not ask twice.
func (s *server) challenge(w http.ResponseWriter, r *http.Request, err error, access distribution.Access, t target) {
	if !errors.Is(err, errdefs.ErrUnauthenticated) {
		return
	}
	needed := []distribution.Access{access}
	if from, ok := mountsFrom(t.query); ok {
		needed = append(needed, from)
	}
	w.Header().Set("WWW-Authenticate", s.Authorizer.Challenge(r, needed...))
}

// errCut ends an answer whose headers are already on their way: the connection
// is cut, so that the client never takes what it has for the whole.
var errCut = errors.New("answer cut short")

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error, obj errcode.Object) {
	if errors.Is(err, errCut) {
		s.report(r, http.StatusOK, err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's documented way to cut HTTP/1 and HTTP/2 answers alike
	}
	e := errcode.For(err, obj)
	// A HEAD has no body and so no room for a reason; and what a handler set
	// for the answer it hoped for must not describe an error.
	for _, name := range []string{"Etag", "Docker-Content-Digest", "Cache-Control"} {
		w.Header().Del(name)
	}
	answer.Write(w, e)
	s.report(r, e.Status, err)
}

func (s *server) report(r *http.Request, status int, err error) {
	if s.OnError != nil {
		s.OnError(r, status, err)
	}
}

func (s *server) route(end endpoint, method string) (route, bool) {
	for _, rt := range s.routes[end] {
		if rt.method == method {
			return rt, true
		}
	}
	return route{}, false
}

func (s *server) allow(end endpoint) string {
	var methods []string
	for _, rt := range s.routes[end] {
		methods = append(methods, rt.method)
	}
	return strings.Join(methods, ", ")
}

// apiVersion is a header value kept as net/http keeps it, to spare each answer
// an allocation.
var apiVersion = []string{"registry/2.0"}
