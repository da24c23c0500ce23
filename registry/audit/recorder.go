package audit

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Recorder notes what changes nothing, pulls and sign-ins, beside the changes that
// [Record] notes. Nobody waits for it: what it hears it keeps in memory and writes
// together, a second later at most, so a kill loses what it heard last.
type Recorder struct {
	db  *metadata.DB
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	waiting []Event
	lost    int // events beyond maxWaiting
	used    map[use]time.Time
	seen    map[origin]time.Time // whose sign-in was noted
}

// use is an account, or one of its access tokens.
type use struct{ user, token int64 }

// origin is an account at an address.
type origin struct{ name, address string }

const (
	maxWaiting = 10_000 // events in memory
	maxOrigins = 10_000
	perWrite   = 500
	// signedInFor is how long another sign-in from the same address is no news:
	// clients send a password with every request.
	signedInFor = time.Hour
	// usedEvery is how often the last use of an account is written.
	usedEvery = 30 * time.Second

	longestName = 64 // of what a stranger typed for one
)

// NewRecorder returns a Recorder that writes to db while Run runs.
func NewRecorder(database *metadata.DB, log *slog.Logger, now func() time.Time) *Recorder {
	return &Recorder{db: database, log: log, now: now, used: map[use]time.Time{}, seen: map[origin]time.Time{}}
}

// SignedIn notes that an account signed in, and when it was last used.
func (r *Recorder) SignedIn(by auth.Caller, address string) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used[use{by.UserID, by.AccessToken()}] = now
	from := origin{by.Name, address}
	if now.Sub(r.seen[from]) < signedInFor {
		return
	}
	if len(r.seen) >= maxOrigins {
		clear(r.seen)
	}
	r.seen[from] = now
	r.add(Event{At: now, Actor: by.Name, Action: "sign-in", Object: by.Name, Address: address})
}

// Refused notes a sign-in that failed.
func (r *Recorder) Refused(name, address string) {
	name = strings.ToValidUTF8(name[:min(len(name), longestName)], "?")
	name = strings.ReplaceAll(name, "\x00", "?")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{At: r.now(), Action: "sign-in.refused", Object: name, Address: address})
}

// add keeps an event until it is written. When too many wait, what is new is
// counted and lost: what is recorded must not fill the memory.
func (r *Recorder) add(e Event) {
	if len(r.waiting) >= maxWaiting {
		r.lost++
		return
	}
	r.waiting = append(r.waiting, e)
}

// Pulls is a registry as clients are served by it, whose pulls are noted: manifests
// that were read, whole.
func (r *Recorder) Pulls(registry distribution.Registry) distribution.Registry {
	return recorded{registry, r}
}

type recorded struct {
	distribution.Registry
	r *Recorder
}

// GetManifest implements distribution.ManifestReader.
func (p recorded) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	m, err := p.Registry.GetManifest(ctx, repo, dgst)
	if err == nil {
		p.r.pulled(ctx, metadata.CanonicalName(repo)+"@"+dgst.String())
	}
	return m, err
}

// GetTag implements distribution.TagReader.
func (p recorded) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	m, err := p.Registry.GetTag(ctx, repo, tag)
	if err == nil {
		p.r.pulled(ctx, metadata.CanonicalName(repo)+":"+tag)
	}
	return m, err
}

func (r *Recorder) pulled(ctx context.Context, object string) {
	by := auth.CallerOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{At: r.now(), Actor: by.Name, Action: "manifest.pull", Object: object, Address: by.Address})
}

// Run writes what was heard, every second, until ctx ends, and then the rest.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var usesWritten time.Time
	for {
		select {
		case <-ctx.Done():
			r.flush(context.WithoutCancel(ctx), true)
			return
		case now := <-tick.C:
			uses := now.Sub(usesWritten) >= usedEvery
			if uses {
				usesWritten = now
			}
			r.flush(ctx, uses)
		}
	}
}

// flush writes the events that wait and, if uses says so, who used what.
func (r *Recorder) flush(ctx context.Context, uses bool) {
	r.mu.Lock()
	events, lost := r.waiting, r.lost
	r.waiting, r.lost = nil, 0
	var used map[use]time.Time
	if uses {
		used, r.used = r.used, map[use]time.Time{}
	}
	r.mu.Unlock()
	if lost > 0 {
		r.log.WarnContext(ctx, "pulls and sign-ins came faster than they are written; some are not in the audit log",
			"lost", lost)
	}
	for part := range slices.Chunk(events, perWrite) {
		if err := r.write(ctx, part); err != nil {
			r.log.ErrorContext(ctx, "pulls and sign-ins are not in the audit log", "error", err, "lost", len(part))
		}
	}
	if len(used) > 0 {
		if err := r.writeUses(ctx, used); err != nil {
			r.log.ErrorContext(ctx, "the last uses of accounts were not kept", "error", err)
		}
	}
}

func (r *Recorder) write(ctx context.Context, events []Event) error {
	return r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, e := range events {
			_, err := tx.Querier().Exec(ctx, `INSERT INTO activity (id, at, actor, action, object, address)
				VALUES ($1, $2, $3, $4, $5, $6)`, tx.Tx.NewID(), db.Micros(e.At), e.Actor, e.Action, e.Object, e.Address)
			if err != nil {
				return db.Unavailable(err)
			}
		}
		return nil
	})
}

func (r *Recorder) writeUses(ctx context.Context, used map[use]time.Time) error {
	return r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for of, at := range used {
			if err := tx.AccountUsed(ctx, of.user, at); err != nil {
				return err
			}
			if of.token == 0 {
				continue
			}
			if err := tx.TokenUsed(ctx, of.token, at); err != nil {
				return err
			}
		}
		return nil
	})
}
