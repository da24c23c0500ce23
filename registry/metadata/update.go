package metadata

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/metadata/people"
	"cove/registry/metadata/scannable"
	"cove/registry/metadata/usage"
)

// Tx is one write in progress. It is not safe for concurrent use.
type Tx struct {
	Queries
	people.Writer
	tx     *db.Tx
	newest int64 // the last number that it gave a change
	usage  usage.Changes
}

func begin(tx *db.Tx) *Tx { return &Tx{Queries: queries(tx), Writer: people.Writer{Tx: tx}, tx: tx} }

// Now is the time of this write.
func (tx *Tx) Now() time.Time { return tx.tx.Now }

// ForShare ends a SELECT whose rows are to stay as they are until the commit; see
// [db.Tx].
func (tx *Tx) ForShare() string { return tx.tx.ForShare }

// MoveUsage has what a repository holds count in another project, to which it belongs from
// now on; see [usage.Changes.Move].
func (tx *Tx) MoveUsage(ctx context.Context, repository, from, to int64) error {
	if err := scannable.Moved(ctx, tx.tx, repository, to); err != nil {
		return err
	}
	return tx.usage.Move(ctx, tx.tx, repository, from, to)
}

// newChange is the id of an entry that Sequence sees.
func (tx *Tx) newChange() int64 {
	tx.newest = tx.tx.NewID()
	return tx.newest
}

// Update runs fn in a transaction and returns nil when its effects are durable;
// see [db.DB.Update]. fn may run more than once.
func (m *DB) Update(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	var newest int64
	err := m.db.Update(ctx, func(ctx context.Context, tx *db.Tx) error {
		t := begin(tx)
		if err := fn(ctx, t); err != nil {
			return err
		}
		newest = t.newest
		return m.applyUsage(ctx, t)
	})
	if err == nil && newest > 0 && m.onCommit != nil {
		m.onCommit(newest)
	}
	return err
}

// UpdateSoon is Update for what may be lost in a power cut, though not by a
// kill, because whoever hears of it can begin again: it waits for no fsync.
func (m *DB) UpdateSoon(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return m.db.UpdateSoon(ctx, func(ctx context.Context, tx *db.Tx) error {
		t := begin(tx)
		if err := fn(ctx, t); err != nil {
			return err
		}
		return m.applyUsage(ctx, t)
	})
}

// applyUsage writes what a transaction changed of usage, at its end.
func (m *DB) applyUsage(ctx context.Context, t *Tx) error {
	if err := t.usage.Apply(ctx, t.tx); err != nil || m.onNear == nil {
		return err
	}
	for _, n := range t.usage.Near() {
		if err := m.onNear(ctx, t, n); err != nil {
			return err
		}
	}
	return nil
}

// OnNear has f hear, within the transaction, of projects that come near their limits. Call
// it before the first Update.
func (m *DB) OnNear(f func(ctx context.Context, tx *Tx, n usage.Near) error) { m.onNear = f }

// LockDigest holds the digest against everyone else who takes this lock: those
// who make bytes durable and then write the row that owns them, and GC, which
// removes bytes and then the row. Call unlock once.
func (m *DB) LockDigest(ctx context.Context, dgst digest.Digest) (unlock func(), err error) {
	return m.db.Lock(ctx, dgst.String())
}

// Lock holds several keys at once: digests, and TagKey's. Who holds some and
// locks more takes digests before tags, as all others do. Call unlock once.
func (m *DB) Lock(ctx context.Context, keys ...string) (unlock func(), err error) {
	return m.db.Lock(ctx, keys...)
}

// TagKey is the name of a tag's lock. It sorts behind digests.
func TagKey(repo, tag string) string { return "tag " + repo + ":" + tag }
