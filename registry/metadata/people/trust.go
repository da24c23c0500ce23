package people

import (
	"context"

	"cove/registry/db"
)

// TrustRule is an account that tokens of another issuer sign in as, with what is asked
// of them.
type TrustRule struct {
	User
	Issuer, Audience string
	Claims           string // JSON: globs by the name of a claim
	CA, KeySet       string // see package identity/jwt
}

// beside scans what follows the columns of an account.
type beside struct {
	db.Scanner
	more []any
}

func (b beside) Scan(columns ...any) error { return b.Scanner.Scan(append(columns, b.more...)...) }

const selectTrust = `SELECT u.id, u.name, u.password_hash, u.admin, u.disabled, u.epoch, u.created_at,
	u.kind, u.project_id, u.description, u.expires_at, u.used_at, u.source,
	t.issuer, t.audience, t.claims, t.ca, t.key_set FROM trust_rules t JOIN users u ON u.id = t.user_id `

func scanTrust(s db.Scanner) (t TrustRule, err error) {
	t.User, err = scanUser(beside{s, []any{&t.Issuer, &t.Audience, &t.Claims, &t.CA, &t.KeySet}})
	return t, err
}

// TrustRule returns the rule of an account, or errdefs.ErrNotFound.
func (q Queries) TrustRule(ctx context.Context, id int64) (TrustRule, error) {
	t, err := scanTrust(q.Q.Row(ctx, selectTrust+"WHERE t.user_id = $1", id))
	return t, db.NotFound(err, "the rule does not exist")
}

// TrustRulesOf lists the rules about an issuer, by name, at most n.
func (q Queries) TrustRulesOf(ctx context.Context, issuer string, n int) ([]TrustRule, error) {
	return db.All(ctx, q.Q, scanTrust, selectTrust+"WHERE t.issuer = $1 ORDER BY u.name LIMIT $2", issuer, n)
}

// SetTrustRule keeps what a rule asks, in place of what it asked before.
func (w Writer) SetTrustRule(ctx context.Context, t TrustRule) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO trust_rules (user_id, issuer, audience, claims, ca, key_set)
			VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id) DO UPDATE SET issuer = excluded.issuer, audience = excluded.audience,
			claims = excluded.claims, ca = excluded.ca, key_set = excluded.key_set`,
		t.ID, t.Issuer, t.Audience, t.Claims, t.CA, t.KeySet)
	return db.Unavailable(err)
}

// RemoveGrants takes from an account all that it has by itself.
func (w Writer) RemoveGrants(ctx context.Context, userID int64) error {
	_, err := w.Tx.Exec(ctx, "DELETE FROM memberships WHERE user_id = $1 AND group_id = 0", userID)
	return db.Unavailable(err)
}
