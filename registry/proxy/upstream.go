package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/copy"
	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth/rights"
	"cove/registry/proxy/settings"
	"cove/registry/proxy/standing"
	"cove/registry/span"
)

const (
	// patience is how long a client waits for the upstream to say whether what is
	// here is still right, and patienceWithout when nothing is here.
	patience        = 5 * time.Second
	patienceWithout = time.Minute
	// retryFor is how long a blob goes on after its line was cut.
	retryFor = 30 * time.Second
	// An upstream that is down, or that asks to be left alone, is asked again after
	// that time, or after what it says, but not later than maxPause.
	downFor  = 10 * time.Second
	maxPause = time.Hour
	// missingFor is how long what the upstream does not have is not asked for again.
	missingFor = 30 * time.Second
	// remembered bounds what is kept in memory for each upstream.
	remembered = 8192
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
	mu       sync.Mutex
	until    time.Time // it is left alone
	why      error
	missing  times // what it does not have, until when that is believed
	checked  times // when a tag was last compared
	noted    times // when a pull was last recorded
	fetches  map[string]*fetch
}

func newUpstream(p settings.Proxy, secret string, cfg client.Config, now func() time.Time) (*upstream, error) {
	u := &upstream{
		Proxy: p, now: now, fetches: map[string]*fetch{},
		missing: times{}, checked: times{}, noted: times{},
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
		u.limit = rate.NewLimiter(rate.Limit(p.Rate), int(max(p.Rate, piece)))
	}
	var err error
	u.client, err = client.New(cfg)
	return u, err
}

// times remembers a bounded number of moments.
type times map[string]time.Time

func (t times) set(key string, at time.Time) {
	if len(t) >= remembered {
		clear(t)
	}
	t[key] = at
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

// ask does one question, unless the upstream is left alone or is known not to have
// what is asked for: key names that. Its errors are for clients.
func (u *upstream) ask(ctx context.Context, key string, do func() error) error {
	if err := u.resting(key); err != nil {
		return err
	}
	_, end := span.Start(ctx, span.Upstream, u.Host+" "+key)
	err := do()
	end(err)
	return u.heard(key, err)
}

func (u *upstream) rests() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now().Before(u.until)
}

func (u *upstream) resting(key string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if now.Before(u.until) {
		return u.unavailable(u.why, u.until.Sub(now))
	}
	if now.Before(u.missing[key]) {
		return errdefs.Errorf(errdefs.ErrNotFound, "%s has no %s", u.Host, key)
	}
	return nil
}

// heard draws the conclusions of an answer.
func (u *upstream) heard(key string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if u.standing.Note(now, err); err == nil {
		return nil
	}
	var answer *errcode.Error
	told := errors.As(err, &answer)
	switch {
	case told && answer.Status == http.StatusTooManyRequests:
		wait := min(max(answer.RetryAfter, time.Second), maxPause)
		u.until, u.why = now.Add(wait), err
		return u.unavailable(err, wait)
	case errors.Is(err, errdefs.ErrNotFound),
		errors.Is(err, errdefs.ErrDenied), errors.Is(err, errdefs.ErrUnauthenticated):
		// docker.io says of a repository that it has not got that one may not see it.
		u.missing.set(key, now.Add(missingFor))
		return errdefs.Errorf(errdefs.ErrNotFound, "%s does not give %s: %v", u.Host, key, err)
	case told && answer.Status < http.StatusInternalServerError, errors.Is(err, errdefs.ErrCorrupt),
		errors.Is(err, errdefs.ErrInvalid), errors.Is(err, errdefs.ErrExhausted):
		return u.unavailable(err, downFor)
	}
	u.until, u.why = now.Add(downFor), err
	return u.unavailable(err, downFor)
}

// unavailable is the answer while the upstream gives none. What it said of itself,
// as a challenge, is not for our clients.
func (u *upstream) unavailable(err error, wait time.Duration) error {
	e := &errcode.Error{
		Code: errcode.Unavailable, Status: http.StatusServiceUnavailable, Kind: errdefs.ErrUnavailable,
		RetryAfter: wait,
		Message:    "the registry " + u.Host + ", which this project is a proxy of, does not give it now",
		Err:        errdefs.Errorf(errdefs.ErrUnavailable, "upstream %s: %v", u.Host, err),
	}
	var answer *errcode.Error
	if errors.As(err, &answer) && answer.Status == http.StatusTooManyRequests {
		e.Code, e.Status = errcode.TooManyRequests, http.StatusTooManyRequests
		e.Message = "the registry " + u.Host + ", which this project is a proxy of, asks to be left alone for a while"
	}
	return e
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
