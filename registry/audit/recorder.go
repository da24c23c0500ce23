package audit

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
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
	waiting []heard
	lost    int // events beyond maxWaiting
	tell    func(ctx context.Context, tx *metadata.Tx, pulls []Pull) error
	used    map[use]time.Time
	pulls   map[pull]lastPull
	seen    map[origin]time.Time // whose sign-in was noted
}

// heard is an event as it waits; pull is that of a pull.
type heard struct {
	Event
	pull Pull
}

// Pull is a manifest that was read, whole.
type Pull struct {
	Repository, Tag string // Tag is "" of a pull by digest
	Digest          digest.Digest
	Actor           string
	At              time.Time
}

// use is an account, or one of its access tokens.
type use struct{ user, token int64 }

// pull is a manifest that was pulled.
type pull struct {
	repository string
	digest     digest.Digest
}

// lastPull is when it was, and by whom; "" is somebody who is not signed in.
type lastPull struct {
	at time.Time
	by string
}

// origin is an account at an address.
type origin struct{ name, address string }

const (
	maxWaiting = 10_000 // events in memory
	maxOrigins = 10_000
	maxPulls   = 100_000 // manifests whose last pull is to be written
	perWrite   = 500
	// signedInFor is how long another sign-in from the same address is no news:
	// clients send a password with every request.
	signedInFor = time.Hour
	// usedEvery is how often the last use of an account is written.
	usedEvery = 30 * time.Second

	longestName    = 64 // of what a stranger typed for one
	longestSubject = 512
)

// NewRecorder returns a Recorder that writes to db while Run runs.
func NewRecorder(database *metadata.DB, log *slog.Logger, now func() time.Time) *Recorder {
	return &Recorder{
		db: database, log: log, now: now, used: map[use]time.Time{}, pulls: map[pull]lastPull{},
		seen: map[origin]time.Time{},
	}
}

// Tell has f hear of pulls, within the transaction that writes them. Call it before
// Run.
func (r *Recorder) Tell(f func(ctx context.Context, tx *metadata.Tx, pulls []Pull) error) { r.tell = f }

// SignedIn notes that an account signed in, and when it was last used.
func (r *Recorder) SignedIn(by auth.Caller, address string) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used[use{by.UserID, by.AccessToken()}] = now
	from := origin{by.Name + " " + by.Subject, address}
	if now.Sub(r.seen[from]) < signedInFor {
		return
	}
	if len(r.seen) >= maxOrigins {
		clear(r.seen)
	}
	r.seen[from] = now
	object := by.Name
	if by.Subject != "" { // as another issuer names who came, as the job of a CI system
		object = plain(by.Subject, longestSubject)
	}
	r.add(Event{At: now, Actor: by.Name, Action: "sign-in", Object: object, Address: address})
}

// plain is a text of a stranger's as the database takes it.
func plain(text string, longest int) string {
	text = strings.ToValidUTF8(text[:min(len(text), longest)], "?")
	return strings.ReplaceAll(text, "\x00", "?")
}

// Refused notes a sign-in that failed.
func (r *Recorder) Refused(name, address string) {
	name = plain(name, longestName)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{At: r.now(), Action: "sign-in.refused", Object: name, Address: address})
}

// add keeps an event until it is written. When too many wait, what is new is
// counted and lost: what is recorded must not fill the memory.
func (r *Recorder) add(e Event) { r.keep(heard{Event: e}) }

func (r *Recorder) keep(e heard) {
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
		p.r.pulled(ctx, Pull{Repository: metadata.CanonicalName(repo), Digest: dgst})
	}
	return m, err
}

// GetTag implements distribution.TagReader.
func (p recorded) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	m, err := p.Registry.GetTag(ctx, repo, tag)
	if err == nil {
		p.r.pulled(ctx, Pull{Repository: metadata.CanonicalName(repo), Tag: tag, Digest: m.Descriptor.Digest})
	}
	return m, err
}

func (r *Recorder) pulled(ctx context.Context, p Pull) {
	by := auth.CallerOf(ctx)
	object := p.Repository + ":" + p.Tag
	if p.Tag == "" {
		object = p.Repository + "@" + p.Digest.String()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.At, p.Actor = r.now(), by.Name
	last := pull{p.Repository, p.Digest}
	if _, known := r.pulls[last]; known || len(r.pulls) < maxPulls {
		r.pulls[last] = lastPull{p.At, by.Name}
	}
	r.keep(heard{Event{At: p.At, Actor: by.Name, Action: "manifest.pull", Object: object, Address: by.Address}, p})
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
	var pulls map[pull]lastPull
	if uses {
		used, r.used = r.used, map[use]time.Time{}
		pulls, r.pulls = r.pulls, map[pull]lastPull{}
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
	if err := r.writePulls(ctx, pulls); err != nil {
		r.log.ErrorContext(ctx, "the times of the last pulls were not kept", "error", err)
	}
}

func (r *Recorder) write(ctx context.Context, events []heard) error {
	return r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		var pulls []Pull
		for _, e := range events {
			if e.pull.Repository != "" {
				pulls = append(pulls, e.pull)
			}
			_, err := tx.Querier().Exec(ctx, `INSERT INTO activity (id, at, actor, action, object, address)
				VALUES ($1, $2, $3, $4, $5, $6)`, tx.Tx.NewID(), db.Micros(e.At), e.Actor, e.Action, e.Object, e.Address)
			if err != nil {
				return db.Unavailable(err)
			}
		}
		if r.tell == nil || len(pulls) == 0 {
			return nil
		}
		return r.tell(ctx, tx, pulls)
	})
}

// writePulls keeps when manifests were last pulled, of those that are still there.
func (r *Recorder) writePulls(ctx context.Context, pulls map[pull]lastPull) error {
	all := slices.SortedFunc(maps.Keys(pulls), func(a, b pull) int {
		return cmp.Or(cmp.Compare(a.repository, b.repository), cmp.Compare(a.digest, b.digest))
	})
	for part := range slices.Chunk(all, perWrite) {
		err := r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			for _, p := range part {
				_, err := tx.Querier().Exec(ctx, `INSERT INTO manifest_pulls (repository_id, digest, pulled_at, pulled_by)
					SELECT m.repository_id, m.digest, $3, $4 FROM repositories r
					JOIN manifests m ON m.repository_id = r.id AND m.digest = $2 WHERE r.name = $1
					ON CONFLICT (repository_id, digest) DO UPDATE
						SET pulled_at = excluded.pulled_at, pulled_by = excluded.pulled_by`,
					p.repository, p.digest.String(), db.Micros(pulls[p].at), pulls[p].by)
				if err != nil {
					return db.Unavailable(err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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
