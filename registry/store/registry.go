// Package store makes a Distribution server a private registry.
//
// [Registry] implements the contracts of package distribution over two things:
// bytes by digest in a content.BlobStore, and what they mean in registry/metadata.
// A write makes its bytes durable, then commits one transaction, and only then
// returns, so that whatever was acknowledged survives a power cut. Garbage
// collection runs while the registry serves (gc.go says why that is safe).
//
// The rooms beside it: auth says who may do what, pki makes and explains
// certificates, service assembles everything into a server.
package store

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/records"
	"cove/registry/store/bodies"
	"cove/registry/store/change"
	"cove/registry/store/lives"
	"cove/registry/store/reread"
)

// Rights answers for the caller that a context carries.
type Rights interface {
	May(ctx context.Context, right distribution.Action, repo string) bool
}

// Config is what a Registry needs. Store, DB and Rights are required.
type Config struct {
	Store  content.BlobStore
	DB     *metadata.DB
	Rights Rights
	Log    *slog.Logger // of the collector; nil is silent
	// Records keep what is needed to make a lost database again; nil keeps
	// nothing.
	Records *records.Records
	// KeepTag is asked before a tag names to, or nothing (""): its error refuses that.
	// nil keeps none.
	KeepTag change.TagGuard
	// Tell hears of what was pushed and deleted; nil is nobody.
	Tell change.Teller
	// Lives say how long what nobody refers to stays; nil is the usual times.
	Lives *lives.Current
	// Now is the clock of leases, nil is time.Now. Give the DB the same.
	Now func() time.Time
}

// Registry is a distribution.Registry. It is safe for concurrent use.
type Registry struct {
	store  content.BlobStore
	db     *metadata.DB
	rights Rights
	log    *slog.Logger
	now    func() time.Time

	records *records.Records // nil without
	keepTag change.TagGuard
	tell    change.Teller
	lives   *lives.Current

	manifests *bodies.Cache
	reread    *reread.Right // nil for a bucket: it checks its own bytes, and has its own clock
	// unowned is set when bytes may be in the store that the database does not
	// know: a transaction failed after them, or the process was killed.
	unowned atomic.Bool
	// writesDue is when unfinished writes that no row leads to are looked for,
	// in microseconds.
	writesDue atomic.Int64
	// pause, when set by a test, is called between the steps that races are
	// made of.
	pause func(ctx context.Context, at string)
}

var _ distribution.Registry = (*Registry)(nil)

// New returns a Registry. clean says that the process before this one ended
// in order; otherwise the first collection looks for bytes that nobody owns.
func New(ctx context.Context, cfg Config, clean bool) (*Registry, error) {
	if cfg.Store == nil || cfg.DB == nil || cfg.Rights == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "registry: a Store, a DB and Rights are required")
	}
	r := &Registry{
		store: cfg.Store, db: cfg.DB, rights: cfg.Rights, log: cfg.Log, now: cfg.Now,
		records:   cfg.Records,
		keepTag:   cfg.KeepTag,
		tell:      cfg.Tell,
		lives:     cfg.Lives,
		manifests: bodies.New(8 << 20),
		pause:     func(context.Context, string) {},
	}
	if r.lives == nil {
		r.lives = lives.New(lives.Lives{})
	}
	if r.keepTag == nil {
		r.keepTag = change.Unguarded
	}
	if r.tell == nil {
		r.tell = change.Untold
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.unowned.Store(!clean)
	if _, bucket := cfg.Store.(content.Locator); !bucket {
		r.reread = &reread.Right{}
	}
	return r, nil
}

// orNoRepository says of what was not found whether its repository is there.
func (r *Registry) orNoRepository(ctx context.Context, repo string, err error) error {
	if !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if _, missing := r.db.Repository(ctx, metadata.CanonicalName(repo)); errors.Is(missing, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w: %s", distribution.ErrNoRepository, repo)
	}
	return err
}

// actor is the caller's name as history and audit keep it.
func actor(ctx context.Context) string { return auth.CallerOf(ctx).Name }

// creator is the caller as the maker of a project: a user becomes its
// administrator, a system administrator needs no role.
func creator(ctx context.Context) metadata.Creator {
	c := auth.CallerOf(ctx)
	by := metadata.Creator{Name: c.Name, UserID: c.UserID}
	if c.UserID != 0 && !c.Admin {
		by.Role = rights.ProjectAdmin
	}
	return by
}
