// Package proxy has projects that show what another registry has, and keep what was
// asked for.
//
// It is a registry around the one that stores: what is there is answered from
// there, and what is not is asked of the upstream and stored while it is sent on.
// A tag is compared with the upstream's once it is no longer fresh, by a HEAD. What
// is here is served whatever the upstream says or does: an answer that may be out
// of date has an Age. Concurrent misses of one thing are one question.
//
// What is asked for by digest is stored by its digest, so the blobs of a manifest
// come when they are asked for (registry/metadata/sparse).
package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/client/wire"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/proxy/settings"
	"cove/registry/proxy/standing"
	"cove/registry/seal"
)

// Config is what proxies need.
type Config struct {
	DB  *metadata.DB
	Box *seal.Box
	Log *slog.Logger
	// Client is how upstreams are reached, but for credentials.
	Client client.Config
	// Outbound says to which addresses an upstream may send us.
	Outbound outbound.Policy
	// Spool is a folder for blobs on their way into a storage that cannot be read back.
	Spool string
	Now   func() time.Time // nil is time.Now
}

// Proxies are all of a registry. They are safe for concurrent use. Close them.
type Proxies struct {
	cfg     Config
	id      string          // by which a request is known that comes back here
	own     context.Context //nolint:containedctx // of what outlives the request that asked for it
	cancel  context.CancelFunc
	workers sync.WaitGroup

	hits, misses, stale, passed atomic.Int64

	mu        sync.Mutex
	looked    time.Time // when the settings were last read
	upstreams map[string]*upstream
}

// owner is who history and audit say has stored what came through a proxy. No
// account has such a name.
var owner = auth.Caller{Name: "(proxy)", Admin: true}

// New returns those that the database knows, as it knows them when they are used.
func New(cfg Config) *Proxies {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	own, cancel := context.WithCancel(auth.WithCaller(context.Background(), owner))
	return &Proxies{cfg: cfg, id: "cove-" + rand.Text(), own: own, cancel: cancel, upstreams: map[string]*upstream{}}
}

// Close ends what is on its way.
func (p *Proxies) Close() {
	p.cancel()
	p.workers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.upstreams {
		_ = u.client.Close() // idle connections
	}
}

// Status is how the proxies stand, and what was asked of them in this process.
func (p *Proxies) Status() standing.Summary {
	s := standing.Summary{Hits: p.hits.Load(), Misses: p.misses.Load(), Stale: p.stale.Load(), Passed: p.passed.Load()}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.upstreams {
		if !u.rest.Until().IsZero() {
			s.Resting++
		} else {
			s.Asked++
		}
		s.Allow(u.Host, u.standing.State().Allowance)
	}
	return s
}

// current is how old settings may be.
const current = time.Second

// of is the upstream of a repository's project; nil says that it is no proxy.
func (p *Proxies) of(ctx context.Context, repo string) (*upstream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.cfg.Now(); now.Sub(p.looked) >= current {
		all, err := settings.All(ctx, p.cfg.DB.Querier())
		if err != nil {
			return nil, err
		}
		p.take(ctx, all)
		p.looked = now
	}
	return p.upstreams[metadata.ProjectOf(repo)], nil
}

// reread has the next request read the settings again.
func (p *Proxies) reread() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = time.Time{}
}

// take keeps the upstreams whose settings are what they were.
func (p *Proxies) take(ctx context.Context, all []settings.Proxy) {
	next := make(map[string]*upstream, len(all))
	for _, s := range all {
		if u := p.upstreams[s.Project]; u != nil && u.Proxy == s {
			next[s.Project] = u
			continue
		}
		secret, err := p.cfg.Box.Open(s.Secret, sealedFor(s))
		if err != nil {
			p.cfg.Log.ErrorContext(ctx, "a proxy goes without its credentials", "project", s.Project, "error", err)
			s.User = ""
		}
		reached := p.cfg.Client
		if reached.Dial == nil {
			reached.Dial = p.cfg.Outbound.DialTo(s.Host, nil)
		}
		u, err := newUpstream(s, secret, reached, p.cfg.Now)
		if err != nil {
			p.cfg.Log.ErrorContext(ctx, "a project is no proxy", "project", s.Project, "error", err)
			continue
		}
		next[s.Project] = u
	}
	p.upstreams = next
}

// sealedFor binds a secret to the account that it is the password of.
func sealedFor(s settings.Proxy) string { return "account " + s.User + " at " + s.Host }

// Keys of a context: the answer's headers, and through whom the request came.
type (
	headers struct{}
	via     struct{}
)

// Handler lets the registry say in its answers how old they are, and know requests of
// its own.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), headers{}, w.Header())
		if through := r.Header.Values("Via"); len(through) > 0 {
			ctx = context.WithValue(ctx, via{}, strings.Join(through, ", ")+", ")
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// through has the upstream asked under to, and told through whom the request of ctx came.
func (p *Proxies) through(to, ctx context.Context) context.Context {
	before, _ := ctx.Value(via{}).(string)
	return wire.WithVia(to, before+"1.1 "+p.id)
}

// stale says that the answer is of a time ago.
func stale(ctx context.Context, age time.Duration) {
	if h, ok := ctx.Value(headers{}).(http.Header); ok {
		h.Set("Age", strconv.FormatInt(int64(age/time.Second), 10))
		// The specification has no other code (1.1, "Warnings").
		h.Set("Warning", `299 - "the upstream did not answer; this is what was here"`)
	}
}

// Registry is r with the projects that are proxies. r stores what comes.
func (p *Proxies) Registry(r distribution.Registry) distribution.Registry { return &registry{r, p} }

type registry struct {
	distribution.Registry
	p *Proxies
}

// behind is the upstream that may be asked for a repository; nil without one.
func (r *registry) behind(ctx context.Context, repo string) *upstream {
	u, err := r.p.of(ctx, repo)
	if err != nil || u == nil || !u.allows(metadata.CanonicalName(repo)) {
		return nil // what is here is served without a database that answers
	}
	if through, _ := ctx.Value(via{}).(string); strings.Contains(through, r.p.id) {
		return nil // it is our own question, which has gone round: what is here is all there is
	}
	return u
}

// gone says that an error means that something is not here.
func gone(err error) bool {
	return errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt)
}

// hit counts what was here.
func (r *registry) hit(u *upstream, err error) {
	if u != nil && err == nil {
		r.p.hit(u)
	}
}

// StatBlob implements distribution.BlobReader.
func (r *registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.Registry.StatBlob(ctx, repo, dgst)
	u := r.behind(ctx, repo)
	if !gone(err) || u == nil {
		return desc, err
	}
	ctx, cancel := context.WithTimeout(ctx, patienceWithout)
	defer cancel()
	repo = metadata.CanonicalName(repo)
	desc, err = u.blob(r.p.through(ctx, ctx), repo, dgst)
	r.doubt(ctx, u, repo, dgst, err)
	return desc, err
}

// OpenBlob implements distribution.BlobReader.
func (r *registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error) {
	rd, err := r.Registry.OpenBlob(ctx, repo, dgst)
	u := r.behind(ctx, repo)
	if !gone(err) || u == nil {
		r.hit(u, err)
		return rd, err
	}
	r.p.miss(u)
	repo = metadata.CanonicalName(repo)
	if rd, err = r.p.follow(ctx, u, r.Registry, repo, dgst); err != nil {
		r.doubt(ctx, u, repo, dgst, err)
		return nil, err
	}
	return rd, nil
}

// StatManifest implements distribution.ManifestReader.
func (r *registry) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.Registry.StatManifest(ctx, repo, dgst)
	u := r.behind(ctx, repo)
	if !gone(err) || u == nil {
		r.noteDigest(ctx, u, repo, dgst, err)
		return desc, err
	}
	m, err := r.fill(ctx, u, repo, dgst.String(), "")
	return m.Descriptor, err
}

// GetManifest implements distribution.ManifestReader.
func (r *registry) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	m, err := r.Registry.GetManifest(ctx, repo, dgst)
	u := r.behind(ctx, repo)
	if !gone(err) || u == nil {
		r.noteDigest(ctx, u, repo, dgst, err)
		return m, err
	}
	return r.fill(ctx, u, repo, dgst.String(), "")
}

// StatTag implements distribution.TagReader.
func (r *registry) StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	if m, err := r.freshen(ctx, repo, tag); m != nil || err != nil {
		return m.descriptor(), err
	}
	return r.Registry.StatTag(ctx, repo, tag)
}

// GetTag implements distribution.TagReader.
func (r *registry) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	if m, err := r.freshen(ctx, repo, tag); m != nil || err != nil {
		return m.value(), err
	}
	return r.Registry.GetTag(ctx, repo, tag)
}

// Tags implements distribution.Lister: those of the upstream, if it says.
func (r *registry) Tags(ctx context.Context, repo string, p distribution.Page) ([]string, bool, error) {
	u := r.behind(ctx, repo)
	if u == nil {
		return r.Registry.Tags(ctx, repo, p)
	}
	tags, err := r.tags(ctx, u, metadata.CanonicalName(repo))
	if err == nil {
		return cut(tags, p)
	}
	here, more, local := r.Registry.Tags(ctx, repo, p)
	if local != nil {
		return nil, false, err
	}
	r.p.cfg.Log.WarnContext(ctx, "the tags of a proxy are those that are here", "repository", repo, "error", err)
	return here, more, nil
}

// Referrers implements distribution.Lister: those of the upstream, and those that
// are here.
func (r *registry) Referrers(
	ctx context.Context, repo string, q distribution.ReferrersQuery,
) ([]ocispec.Descriptor, bool, error) {
	if u := r.behind(ctx, repo); u != nil && q.Last == "" {
		if err := r.referrers(ctx, u, metadata.CanonicalName(repo), q.Subject); err != nil {
			r.p.cfg.Log.WarnContext(ctx, "the referrers of a proxy are those that are here", "repository", repo,
				"subject", q.Subject, "error", err)
		}
	}
	return r.Registry.Referrers(ctx, repo, q)
}

// refuse is nil for a repository that is pushed to.
func (r *registry) refuse(ctx context.Context, repo string) error {
	u, err := r.p.of(ctx, repo)
	if u == nil || err != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "project %q is a proxy of %s: push there, or to another project",
		u.Project, u.Host)
}

// StartUpload implements distribution.BlobWriter.
func (r *registry) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	if err := r.refuse(ctx, repo); err != nil {
		return nil, err
	}
	return r.Registry.StartUpload(ctx, repo)
}

// ResumeUpload implements distribution.BlobWriter.
func (r *registry) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	if err := r.refuse(ctx, repo); err != nil {
		return nil, err
	}
	return r.Registry.ResumeUpload(ctx, repo, id)
}

// MountBlob implements distribution.BlobWriter.
func (r *registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	if err := r.refuse(ctx, repo); err != nil {
		return ocispec.Descriptor{}, err
	}
	return r.Registry.MountBlob(ctx, repo, from, dgst)
}

// PutManifest implements distribution.ManifestWriter.
func (r *registry) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	if err := r.refuse(ctx, repo); err != nil {
		return "", err
	}
	return r.Registry.PutManifest(ctx, repo, m, tags...)
}
