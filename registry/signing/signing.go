// Package signing says of each project whose signatures count there, and, where a
// project wants it so, lets only what one of its keys has signed be pulled.
//
// What is asked at each pull is the database: which keys are trusted now, and which
// signatures are there now. So a key that is removed, and a signature that is deleted,
// count no more at the next pull, on every server. What is kept in memory is what
// cannot change, which key made which signature, and for recent.Fresh that a project
// lets everything be pulled: most do, and are asked at each pull.
//
// An index that is signed speaks for the images in it, which clients pull by their
// digests; an image that is signed does not for the index. Signatures and what else is
// said of an image (attestations, SBOMs) are always pulled.
package signing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"cove/content"
	"cove/distribution"
	"cove/distribution/signature"
	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/recent"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
)

// The rights that the policy of a project takes: Harbor's over its configuration. Whose
// signatures an artifact has takes that to see it.
const (
	Read   = rights.Right("configuration:read")
	Change = rights.Right("configuration:update")
	See    = auth.Read
)

// MaxKeys bounds the keys of a project: each is tried against each signature.
const MaxKeys = 50

// Config is what the service needs.
type Config struct {
	DB    *metadata.DB // stays the caller's
	Judge auth.Judge
	// Registry has the signatures, also of what other registries have; nil beside a
	// server, where Bytes opens what is stored here.
	Registry distribution.Registry
	Bytes    func(ctx context.Context) (content.Provider, func() error, error)
	Now      func() time.Time // nil is the database's
}

// Signing is the service. It is safe for concurrent use.
type Signing struct {
	cfg         Config
	judged      memo[judgedKey, outcome]
	accessories memo[string, bool]
	// required is by project; only that a project requires nothing is remembered.
	required recent.Answers[string, bool]
}

// New returns the service.
func New(cfg Config) *Signing {
	if cfg.Now == nil {
		cfg.Now = cfg.DB.Now
	}
	return &Signing{cfg: cfg, required: recent.Answers[string, bool]{Now: time.Now}}
}

// TrustedKey is a key whose signatures count in a project.
type TrustedKey struct {
	signature.Key
	PEM string
	By  string
	At  time.Time
}

// Policy is what a project wants of signatures.
type Policy struct {
	// Required says that only what one of the keys has signed is pulled.
	Required bool
	Keys     []TrustedKey
	By       string
	At       time.Time // zero when nobody has set anything
}

// trusted are the keys as they verify.
func (p Policy) trusted() []signature.Key {
	keys := make([]signature.Key, len(p.Keys))
	for i, k := range p.Keys {
		keys[i] = k.Key
	}
	return keys
}

// Of is the policy of a project.
func (s *Signing) Of(ctx context.Context, by auth.Caller, project string) (Policy, error) {
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, Read, project); err != nil {
		return Policy{}, err
	}
	if _, err := s.cfg.DB.Project(ctx, project); err != nil {
		return Policy{}, err
	}
	return PolicyOf(ctx, s.cfg.DB.Querier(), project)
}

// PolicyOf is the policy of a project, for who need not ask.
func PolicyOf(ctx context.Context, q db.Querier, project string) (p Policy, err error) {
	p, set, err := settingsOf(ctx, q, project)
	if err != nil || !set {
		return p, err
	}
	p.Keys, err = db.All(ctx, q, func(row db.Scanner) (k TrustedKey, err error) {
		var at int64
		var name string
		if err = row.Scan(&name, &k.PEM, &k.By, &at); err != nil {
			return k, err
		}
		// A key that could be read once and cannot now trusts nobody: it is shown.
		k.Key, _ = signature.ParseKey(name, []byte(k.PEM))
		k.At = time.UnixMicro(at)
		return k, nil
	}, `SELECT k.name, k.pem, k.created_by, k.created_at FROM projects p
		JOIN signing_keys k ON k.project_id = p.id WHERE p.name = $1 ORDER BY k.name`, project)
	return p, err
}

// settingsOf is the policy without its keys, and whether anybody ever set one.
func settingsOf(ctx context.Context, q db.Querier, project string) (p Policy, set bool, err error) {
	var required, at int64
	err = q.Row(ctx, `SELECT s.required, s.changed_by, s.changed_at FROM projects p
		JOIN signing_projects s ON s.project_id = p.id WHERE p.name = $1`, project).Scan(&required, &p.By, &at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Policy{}, false, nil
	case err != nil:
		return Policy{}, false, db.Unavailable(err)
	}
	p.Required, p.At = required != 0, time.UnixMicro(at)
	return p, true, nil
}

// Required says whether a project lets only signed images be pulled, for who need not
// ask.
func Required(ctx context.Context, q db.Querier, project string) (bool, error) {
	p, _, err := settingsOf(ctx, q, project)
	return p.Required, err
}

// Require has only signed images pulled from a project, or all. A project without a
// key is errdefs.ErrConflict: nothing could be pulled from it.
func (s *Signing) Require(ctx context.Context, by auth.Caller, project string, required bool) error {
	action := map[bool]string{true: "signing.require", false: "signing.release"}[required]
	return s.change(ctx, by, project, audit.Change{Action: action, Object: project},
		func(ctx context.Context, tx *metadata.Tx, id int64) error {
			n, err := count(ctx, tx, id)
			if err != nil {
				return err
			}
			if required && n == 0 {
				return errdefs.Errorf(errdefs.ErrConflict,
					"project %q has no key whose signatures count, so nothing could be pulled: add one first", project)
			}
			_, err = tx.Tx.Exec(ctx, "UPDATE signing_projects SET required = $2 WHERE project_id = $1", id,
				db.Number(required))
			return db.Unavailable(err)
		})
}

func count(ctx context.Context, tx *metadata.Tx, project int64) (n int64, err error) {
	err = tx.Querier().Row(ctx, "SELECT COUNT(*) FROM signing_keys WHERE project_id = $1", project).Scan(&n)
	return n, db.Unavailable(err)
}

// change does what changes the policy of a project, and says who did.
func (s *Signing) change(
	ctx context.Context, by auth.Caller, project string, what audit.Change,
	do func(ctx context.Context, tx *metadata.Tx, id int64) error,
) error {
	defer s.required.Forget(project)
	return s.cfg.DB.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.cfg.Judge.Permit(ctx, tx, by, Change, project); err != nil {
			return err
		}
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		_, err = tx.Tx.Exec(ctx, `INSERT INTO signing_projects (project_id, changed_by, changed_at) VALUES ($1, $2, $3)
			ON CONFLICT (project_id) DO UPDATE SET changed_by = excluded.changed_by, changed_at = excluded.changed_at`,
			p.ID, by.Name, db.Micros(tx.Now()))
		if err != nil {
			return db.Unavailable(err)
		}
		if err := do(ctx, tx, p.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, what)
	})
}

var keyName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9])?$`)

// Trust adds a key in PEM, under a name that is new in the project.
func (s *Signing) Trust(ctx context.Context, by auth.Caller, project, name, pem string) (TrustedKey, error) {
	if !keyName.MatchString(name) {
		return TrustedKey{}, errdefs.Errorf(errdefs.ErrInvalid,
			"key %q: a name has letters, digits, and . _ - between them, at most 64", name)
	}
	key, err := signature.ParseKey(name, []byte(pem))
	if err != nil {
		return TrustedKey{}, fmt.Errorf("key %s: %w", name, err)
	}
	out := TrustedKey{Key: key, PEM: pem, By: by.Name}
	what := audit.Change{Action: "signing.key.add", Object: project, Detail: name + " " + key.ID}
	return out, s.change(ctx, by, project, what, func(ctx context.Context, tx *metadata.Tx, id int64) error {
		n, err := count(ctx, tx, id)
		if err != nil {
			return err
		}
		if n >= MaxKeys {
			return errdefs.Errorf(errdefs.ErrConflict, "project %q has %d keys already; remove one first", project, n)
		}
		out.At = tx.Now()
		added, err := tx.Tx.Exec(ctx, `INSERT INTO signing_keys (project_id, name, key_id, pem, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, id, name, key.ID, pem, by.Name, db.Micros(out.At))
		if err == nil && added == 0 {
			return errdefs.Errorf(errdefs.ErrExists, "project %q has a key %q, or this key by another name, already",
				project, name)
		}
		return db.Unavailable(err)
	})
}

// Distrust removes a key by its name. What it signed counts no more from then on, also
// when it was the last: then nothing is pulled until another is added.
func (s *Signing) Distrust(ctx context.Context, by auth.Caller, project, name string) error {
	what := audit.Change{Action: "signing.key.remove", Object: project, Detail: name}
	return s.change(ctx, by, project, what, func(ctx context.Context, tx *metadata.Tx, id int64) error {
		gone, err := tx.Tx.Exec(ctx, "DELETE FROM signing_keys WHERE project_id = $1 AND name = $2", id, name)
		if err == nil && gone == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no key %q", project, name)
		}
		return db.Unavailable(err)
	})
}
