package proxy

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/proxy/settings"
	"cove/registry/seal"
)

// Service manages the proxies. Who may not do something gets the errors of
// auth.Judge's Permit: as a proxy has the registry send requests, all of them take
// the right of the registry as a whole.
type Service struct {
	db    *metadata.DB
	judge auth.Judge
	box   *seal.Box
	here  atomic.Pointer[Proxies]
}

// NewService manages the proxies of db.
func NewService(db *metadata.DB, judge auth.Judge, box *seal.Box) *Service {
	return &Service{db: db, judge: judge, box: box}
}

// Tell has the proxies of this process know at once what is changed by the service;
// those of other processes look for themselves.
func (s *Service) Tell(p *Proxies) { s.here.Store(p) }

// changed tells them of a change that was made.
func (s *Service) changed(err error) error {
	if p := s.here.Load(); p != nil && err == nil {
		p.reread()
	}
	return err
}

// Spec is a proxy as somebody asks for it.
type Spec struct {
	Project string
	// Upstream is docker.io, HOST[:PORT], or either with a path, which is the beginning
	// of repositories there; https:// may stand before it.
	Upstream string
	// Plain allows HTTP, and certificates that nobody vouches for.
	Plain bool
	// A user without a password keeps the one that is there.
	User, Password string
	Repositories   []string      // globs; none is all
	FreshFor       time.Duration // 0 is DefaultFresh
	KeepFor        time.Duration // 0 is for ever
	Rate           int64         // bytes a second; 0 is without a limit
	Connections    int           // blobs at once; 0 is 16
	Public         bool          // of a project that is made
}

// AlwaysAsk is a FreshFor by which the upstream is asked each time.
const AlwaysAsk time.Duration = -1

// DefaultFresh is how long a tag is taken to be what it was.
const DefaultFresh = 5 * time.Minute

// Create makes a project that is a proxy, or one of a project that holds nothing,
// or changes one.
func (s *Service) Create(ctx context.Context, by auth.Caller, spec Spec) error {
	p, err := spec.check()
	if err != nil {
		return err
	}
	if p.Secret, err = s.box.Seal(spec.Password, sealedFor(p)); err != nil {
		return err
	}
	return s.changed(s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, auth.ManageRegistries, ""); err != nil {
			return err
		}
		project, made, err := tx.CreateProject(ctx, spec.Project, by.Name)
		if err != nil {
			return err
		}
		if err := s.prepare(ctx, tx, project, made, spec.Public); err != nil {
			return err
		}
		p.ProjectID = project.ID
		if err := keepSecret(ctx, tx, spec, &p); err != nil {
			return err
		}
		if err := settings.Put(ctx, tx.Querier(), p, tx.Now()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "proxy.create", Object: spec.Project, Detail: p.Upstream(),
		})
	}))
}

// keepSecret leaves the password as it is of an account that is named without one.
func keepSecret(ctx context.Context, tx *metadata.Tx, spec Spec, p *settings.Proxy) error {
	if spec.User == "" || spec.Password != "" {
		return nil
	}
	old, err := settings.Of(ctx, tx.Querier(), spec.Project)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err == nil && sealedFor(old) == sealedFor(*p) {
		p.Secret = old.Secret
	}
	return err
}

// prepare refuses a project that was pushed to: what the upstream has under the
// same names is something else.
func (s *Service) prepare(ctx context.Context, tx *metadata.Tx, p metadata.Project, made, public bool) error {
	if made {
		return tx.SetPublic(ctx, p.ID, public)
	}
	if _, err := settings.Of(ctx, tx.Querier(), p.Name); !errors.Is(err, errdefs.ErrNotFound) {
		return err // nil: it is one already
	}
	holds, err := settings.Holds(ctx, tx.Querier(), p.ID)
	if err == nil && holds {
		err = errdefs.Errorf(errdefs.ErrConflict, "project %q holds images already; a proxy has a project of its own",
			p.Name)
	}
	return err
}

func (spec Spec) check() (p settings.Proxy, err error) {
	invalid := func(format string, args ...any) (settings.Proxy, error) {
		return settings.Proxy{}, errdefs.Errorf(errdefs.ErrInvalid, format, args...)
	}
	if !reference.ValidRepository(spec.Project) || strings.Contains(spec.Project, "/") {
		return invalid("project %q: a name is lower-case letters and digits, with single . _ or - between them",
			spec.Project)
	}
	if spec.Project == metadata.DefaultProject {
		return invalid("project %q holds the images whose name has no project; make one for the proxy", spec.Project)
	}
	if p.Host, p.Prefix, err = settings.ParseUpstream(spec.Upstream); err != nil {
		return p, err
	}
	globs := spec.Repositories
	if len(globs) == 0 {
		globs = []string{rights.Everywhere}
	}
	for _, glob := range globs {
		if err := rights.CheckGlob(glob); err != nil {
			return p, err
		}
	}
	switch {
	case spec.User == "" && spec.Password != "":
		return invalid("upstream %s: the password has no user", spec.Upstream)
	case spec.KeepFor < 0 || spec.Rate < 0 || spec.Connections < 0:
		return invalid("upstream %s: a limit is 0, for none, or more", spec.Upstream)
	}
	p.Project, p.Plain, p.User = spec.Project, spec.Plain, spec.User
	p.Repositories, p.KeepFor = strings.Join(globs, " "), spec.KeepFor
	p.Rate, p.Connections = spec.Rate, spec.Connections
	p.FreshFor = max(spec.FreshFor, 0)
	if spec.FreshFor == 0 {
		p.FreshFor = DefaultFresh
	}
	return p, nil
}

// Remove makes an ordinary project of a proxy; what it holds stays.
func (s *Service) Remove(ctx context.Context, by auth.Caller, project string) error {
	return s.changed(s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, auth.ManageRegistries, ""); err != nil {
			return err
		}
		p, err := settings.Of(ctx, tx.Querier(), project)
		if err != nil {
			return err
		}
		if _, err := settings.Remove(ctx, tx.Querier(), p.ProjectID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "proxy.remove", Object: project})
	}))
}

// List lists the proxies.
func (s *Service) List(ctx context.Context, by auth.Caller) ([]Proxy, error) {
	if err := s.judge.Permit(ctx, s.db, by, auth.ManageRegistries, ""); err != nil {
		return nil, err
	}
	all, err := settings.All(ctx, s.db.Querier())
	list := make([]Proxy, 0, len(all))
	for _, p := range all {
		list = append(list, shown(p))
	}
	return list, err
}

// Proxy is one as it is shown: without its secret.
type Proxy struct {
	Project, Upstream string
	Plain             bool
	User              string
	Repositories      []string
	FreshFor, KeepFor time.Duration
	Rate              int64
	Connections       int
	CreatedAt         time.Time
}

func shown(p settings.Proxy) Proxy {
	return Proxy{
		Project: p.Project, Upstream: p.Upstream(), Plain: p.Plain, User: p.User, Repositories: p.Globs(),
		FreshFor: p.FreshFor, KeepFor: p.KeepFor, Rate: p.Rate, Connections: p.Connections, CreatedAt: p.CreatedAt,
	}
}
