// Package build is POST /build of docker's API, and what belongs to it: builds whose
// context is the body of the request, of clients that do not speak BuildKit's services
// (those of docker before 23, and of programs).
package build

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"cove/engine"
	"cove/engine/api/buildkit"
	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/builds"
	"cove/engine/listing"
	"cove/errdefs"
)

// maxContext bounds the body of a build, as it is sent.
const maxContext = 16 << 30

// Builds are those that run. It is safe for concurrent use.
type Builds struct {
	engine   *engine.Engine
	buildkit *buildkit.Server

	mu      sync.Mutex
	running map[string]context.CancelFunc // by the client's id
}

// Of returns the builds of an engine; those of version 2 are the other server's.
func Of(e *engine.Engine, b *buildkit.Server) *Builds {
	return &Builds{engine: e, buildkit: b, running: map[string]context.CancelFunc{}}
}

// Routes are the rows of the table.
func (b *Builds) Routes() []route.Route {
	post := func(path string, since wire.Version, test string, h route.Handler) route.Route {
		return route.Route{
			Method: http.MethodPost, Path: path, Since: since, Needs: route.Build, Test: test, Handler: h,
		}
	}
	return []route.Route{
		post("/build", wire.Version{}, "TestClassicBuild", b.build),
		post("/build/prune", wire.V(31), "builder prune", b.prune),
		post("/build/cancel", wire.V(39), "TestCancel", b.cancel),
	}
}

// build answers with lines of JSON. An error of the request's own is an HTTP error;
// one of the build is a line.
func (b *Builds) build(w http.ResponseWriter, r *route.Request) error {
	o, err := read(r.URL.Query())
	if err != nil {
		return err
	}
	if what := frontend.Reach(o.Options); what != "" {
		if err := r.Access.Require(route.All, what); err != nil {
			return err
		}
	}
	keys, err := signIns(r.Header.Get("X-Registry-Config"))
	if err != nil {
		return err
	}
	ctx, done, err := b.begin(r.Context(), o.id)
	if err != nil {
		return err
	}
	defer done()
	out := newLines(w)
	if o.version == "2" {
		return b.buildByKit(ctx, o, out)
	}
	if o.Context == "-" {
		o.Stdin = http.MaxBytesReader(w, r.Body, maxContext)
	}
	told := newTold(out, o.quiet)
	o.Progress = told.event
	result, err := builds.Build(ctx, b.engine.As(keys), o.Options)
	told.flush()
	if err != nil {
		return out.fail(err)
	}
	told.built(result)
	return nil
}

// begin keeps what ends a build whose client named it.
func (b *Builds) begin(ctx context.Context, id string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	if id == "" {
		return ctx, cancel, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, twice := b.running[id]; twice {
		cancel()
		return nil, nil, errdefs.Errorf(errdefs.ErrConflict, "build %s runs already", id)
	}
	b.running[id] = cancel
	return ctx, func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.running, id)
	}, nil
}

// cancel ends a build; one that does not run is no error, as with docker.
func (b *Builds) cancel(w http.ResponseWriter, r *route.Request) error {
	id := r.URL.Query().Get("id")
	if id == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "build ID not provided")
	}
	b.mu.Lock()
	end := b.running[id]
	b.mu.Unlock()
	if end != nil {
		end()
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// prune forgets what build steps made.
func (b *Builds) prune(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	filters, err := wire.Filters(q)
	if err != nil {
		return err
	}
	o := engine.PruneOptions{BuildCache: true, Filter: listing.PruneFilter{}}
	for name, values := range filters {
		if name == listing.PruneLabel || name == listing.PruneNoLabel { // as docker system prune has them
			o.Filter[name] = values
			continue
		}
		if (name != "until" && name != "unused-for") || len(values) != 1 {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"invalid filter '%s': want until=DURATION, label or label!", name)
		}
		if o.CacheUnused, err = time.ParseDuration(values[0]); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "filter %s=%s: want a duration, as 24h", name, values[0])
		}
	}
	for _, name := range []string{"keep-storage", "reserved-space", "max-used-space"} {
		bytes, err := wire.Int(q, name, 0)
		if err != nil {
			return err
		}
		o.CacheBytes = max(o.CacheBytes, int64(bytes))
	}
	before, err := b.engine.BuildCache(r.Context())
	if err != nil {
		return err
	}
	pruned, err := b.engine.Prune(r.Context(), o)
	if err != nil {
		return err
	}
	after, err := b.engine.BuildCache(r.Context())
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, e := range after {
		kept[e.ID.Encoded()] = true
	}
	gone := []string{}
	for _, e := range before {
		if id := e.ID.Encoded(); !kept[id] {
			gone = append(gone, id)
		}
	}
	return wire.JSON(w, http.StatusOK, map[string]any{"CachesDeleted": gone, "SpaceReclaimed": pruned.Freed})
}

// keychain are the sign-ins of one request.
type keychain map[string]signIn

type signIn struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
	Auth          string `json:"auth"`
}

// signIns reads X-Registry-Config: sign-ins by the registries' names.
func signIns(header string) (keychain, error) {
	if header == "" {
		return nil, nil
	}
	body, err := base64.URLEncoding.DecodeString(header)
	if err != nil {
		body, err = base64.StdEncoding.DecodeString(header)
	}
	keys := keychain{}
	if err == nil {
		err = json.Unmarshal(body, &keys)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the header X-Registry-Config is no base64url of JSON")
	}
	return keys, nil
}

// Credentials implements engine.Keychain.
func (k keychain) Credentials(_ context.Context, host string) (engine.Credentials, error) {
	for name, s := range k {
		name = engine.RegistryHost(name)
		if name == "index.docker.io" {
			name = "docker.io"
		}
		if name != host {
			continue
		}
		if user, password, ok := s.basic(); ok {
			s.Username, s.Password = user, password
		}
		return engine.Credentials{
			Username: s.Username, Password: s.Password, IdentityToken: s.IdentityToken, RegistryToken: s.RegistryToken,
		}, nil
	}
	return engine.Credentials{}, nil
}

// basic are name and password where they are given as one.
func (s signIn) basic() (user, password string, ok bool) {
	text, err := base64.StdEncoding.DecodeString(s.Auth)
	if err != nil || s.Username != "" {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}
