package metadata

import (
	"context"
	"time"

	"cove/registry/db"
)

// Audit appends to the audit log, which nothing else changes, within the write that
// it tells of.
func (tx *Tx) Audit(ctx context.Context, actor, action, object, detail string) error {
	_, err := tx.q.Exec(ctx, "INSERT INTO audit (id, at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5, $6)",
		tx.newChange(), db.Micros(tx.tx.Now), actor, action, object, detail)
	return db.Unavailable(err)
}

// TokenKey is the public half of a key that signs tokens.
type TokenKey struct {
	ID        string
	PublicKey string // PKIX, PEM
	ExpiresAt time.Time
}

// AddTokenKey publishes a key to every replica; adding it again changes nothing.
func (tx *Tx) AddTokenKey(ctx context.Context, key TokenKey) error {
	_, err := tx.q.Exec(ctx, `INSERT INTO token_keys (id, public_key, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO NOTHING`, key.ID, key.PublicKey, db.Micros(key.ExpiresAt))
	return db.Unavailable(err)
}

// TokenKeys lists the keys that are valid now.
func (q Queries) TokenKeys(ctx context.Context, now time.Time) ([]TokenKey, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (k TokenKey, err error) {
		var expires int64
		err = s.Scan(&k.ID, &k.PublicKey, &expires)
		k.ExpiresAt = time.UnixMicro(expires)
		return k, err
	}, "SELECT id, public_key, expires_at FROM token_keys WHERE expires_at > $1 ORDER BY id", db.Micros(now))
}
