package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/copy"
	"cove/reference"
	"cove/registry/auth/rights"
	"cove/registry/proxy/rest"
	"cove/registry/proxy/settings"
	"cove/registry/proxy/standing"
	"cove/registry/proxy/transit"
	"cove/registry/span"
)

const (
	// patience is how long a client waits for the upstream to say whether what is
	// here is still right, and patienceWithout when nothing is here.
	patience        = 5 * time.Second
	patienceWithout = time.Minute
	// retryFor is how long a blob goes on after its line was cut.
	retryFor = 30 * time.Second
	// keptTags is how many tags of lists are kept in memory for each upstream.
	keptTags = 100_000
	// connections is how many blobs come at once, if the project does not say.
	connections = 16
)

// upstream is the registry behind a project.
type upstream struct {
	settings.Proxy
	client *client.Client
	now    func() time.Time
	limit  *rate.Limiter // nil without one
	slots  chan struct{}
	flight singleflight.Group

	standing standing.Standing
	rest     *rest.Rest
	mu       sync.Mutex
	checked  rest.Times // when a tag was last compared
	doubted  rest.Times // when a repository was found to lack what its manifests need
	noted    rest.Times // when a pull was last recorded
	fetches  map[string]*transit.Blob
	coming   atomic.Int64 // bytes of those that are to be stored
	settling sync.RWMutex // held while some of them are, for reading
	lists    map[string]list
	kept     int // tags of lists
}

// list are the tags of a repository.
type list struct {
	tags []string
	at   time.Time
}

func newUpstream(p settings.Proxy, secret string, cfg client.Config, now func() time.Time) (*upstream, error) {
	u := &upstream{
		Proxy: p, now: now, fetches: map[string]*transit.Blob{}, lists: map[string]list{},
		rest: rest.Of(p.Host, now), checked: rest.Times{}, doubted: rest.Times{}, noted: rest.Times{},
	}
	cfg.Keychain = credentials.Only(p.Host, credentials.Credentials{Username: p.User, Password: secret})
	if cfg.RetryFor == 0 {
		cfg.RetryFor = retryFor
	}
	cfg.OnAnswer = func(r *http.Response) { u.standing.Heard(now(), r) }
	if p.Plain {
		cfg.Insecure = append([]string{p.Host}, cfg.Insecure...)
	}
	n := p.Connections
	if n == 0 {
		n = connections
	}
	cfg.Parallel = n
	u.slots = make(chan struct{}, n)
	if p.Rate > 0 {
		u.limit = rate.NewLimiter(rate.Limit(p.Rate), int(max(p.Rate, transit.Piece)))
	}
	var err error
	u.client, err = client.New(cfg)
	return u, err
}

// name is what a repository of the project is called at the upstream. Official
// images of docker.io are in library there.
func (u *upstream) name(repo string) string {
	_, within, _ := strings.Cut(repo, "/")
	switch {
	case u.Prefix != "":
		return u.Prefix + "/" + within
	case u.Host == reference.DefaultRegistry && !strings.Contains(within, "/"):
		return "library/" + within
	}
	return within
}

// allows says whether the project shows a repository.
func (u *upstream) allows(repo string) bool {
	_, within, _ := strings.Cut(repo, "/")
	for _, glob := range u.Globs() {
		if rights.Match(glob, within) {
			return true
		}
	}
	return false
}

func (u *upstream) remote(repo string) *copy.Remote {
	return &copy.Remote{Repo: u.client.Repository(u.Host, u.name(repo))}
}

// ask does one question, unless the upstream is to be spared it: key names what is
// asked for. Its errors are for clients.
func (u *upstream) ask(ctx context.Context, key string, do func() error) error {
	if err := u.rest.Spared(key); err != nil {
		return err
	}
	_, end := span.Start(ctx, span.Upstream, u.Host+" "+key)
	err := do()
	end(err)
	return u.heard(key, err)
}

// heard draws the conclusions of an answer.
func (u *upstream) heard(key string, err error) error {
	if !errors.Is(err, context.Canceled) {
		u.standing.Note(u.now(), err)
	}
	return u.rest.Heard(key, err)
}

// stat asks what a tag names.
func (u *upstream) stat(ctx context.Context, repo, tag string) (desc ocispec.Descriptor, err error) {
	err = u.ask(ctx, "manifest "+repo+":"+tag, func() error {
		desc, err = u.remote(repo).Repo.Stat(ctx, tag)
		return err
	})
	return desc, err
}

// manifest reads a manifest; it is verified.
func (u *upstream) manifest(ctx context.Context, repo, ref string) (m distribution.Manifest, err error) {
	err = u.ask(ctx, "manifest "+repo+":"+ref, func() error {
		m, err = u.remote(repo).Resolve(ctx, ref)
		return err
	})
	return m, err
}

// blob asks how long a blob is.
func (u *upstream) blob(ctx context.Context, repo string, dgst digest.Digest) (desc ocispec.Descriptor, err error) {
	err = u.ask(ctx, "blob "+repo+"@"+dgst.String(), func() error {
		desc, err = u.remote(repo).Repo.StatBlob(ctx, dgst)
		return err
	})
	return desc, err
}

// take waits for the right to move a blob.
func (u *upstream) take(ctx context.Context) (release func(), err error) {
	select {
	case u.slots <- struct{}{}:
		return func() { <-u.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
