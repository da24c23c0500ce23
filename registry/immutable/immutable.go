// Package immutable keeps tags where they are: a rule of a project says which of its
// tags, once they name an artifact, are neither moved nor deleted. It is asked within
// the transaction of the change, so that no two can pass each other.
package immutable

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/selector"
)

// The rights that the rules take.
const (
	List   = rights.Right("immutable-tag:list")
	Create = rights.Right("immutable-tag:create")
	Update = rights.Right("immutable-tag:update")
	Remove = rights.Right("immutable-tag:delete")
)

// maxRules bounds the rules of a project: each is looked at when a tag moves.
const maxRules = 50

// Rule is one rule of a project.
type Rule struct {
	ID int64
	selector.Selector
	By string
	At time.Time
}

// Rules are the rules of all projects. They work beside a running server.
type Rules struct {
	db    *metadata.DB
	judge auth.Judge
}

// New manages the rules of db.
func New(database *metadata.DB, judge auth.Judge) *Rules { return &Rules{database, judge} }

// List lists the rules of a project, the oldest first.
func (r *Rules) List(ctx context.Context, by auth.Caller, project string) ([]Rule, error) {
	if err := r.judge.Permit(ctx, r.db, by, List, project); err != nil {
		return nil, err
	}
	if _, err := r.db.Project(ctx, project); err != nil {
		return nil, err
	}
	return Of(ctx, r.db.Querier(), project)
}

// Of are the rules of a project, the oldest first, for who need not ask.
func Of(ctx context.Context, q db.Querier, project string) ([]Rule, error) {
	return db.All(ctx, q, func(s db.Scanner) (rule Rule, err error) {
		var text string
		var at int64
		if err = s.Scan(&rule.ID, &text, &rule.By, &at); err == nil {
			err = json.Unmarshal([]byte(text), &rule.Selector)
		}
		rule.At = time.UnixMicro(at)
		return rule, err
	}, `SELECT i.id, i.selector, i.created_by, i.created_at FROM projects p
		JOIN immutable_rules i ON i.project_id = p.id WHERE p.name = $1 ORDER BY i.id`, project)
}

// Add adds a rule to a project.
func (r *Rules) Add(ctx context.Context, by auth.Caller, project string, s selector.Selector) (rule Rule, err error) {
	if err := s.Check(); err != nil {
		return Rule{}, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return Rule{}, err
	}
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Create, project); err != nil {
			return err
		}
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		there, err := Of(ctx, tx.Querier(), project)
		if err != nil {
			return err
		}
		if len(there) >= maxRules {
			return errdefs.Errorf(errdefs.ErrConflict, "project %q has %d rules already; remove one first", project,
				maxRules)
		}
		rule = Rule{ID: tx.Tx.NewID(), Selector: s, By: by.Name, At: tx.Now()}
		if _, err := tx.Tx.Exec(ctx, `INSERT INTO immutable_rules (id, project_id, selector, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5)`, rule.ID, p.ID, string(text), by.Name, db.Micros(tx.Now())); err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "immutable.add", Object: project, Detail: s.String()})
	})
	return rule, err
}

// Set has a rule of a project speak of other tags.
func (r *Rules) Set(ctx context.Context, by auth.Caller, project string, id int64, s selector.Selector) error {
	if err := s.Check(); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Update, project); err != nil {
			return err
		}
		changed, err := tx.Tx.Exec(ctx, `UPDATE immutable_rules SET selector = $3
			WHERE id = $1 AND project_id = (SELECT id FROM projects WHERE name = $2)`, id, project, string(text))
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no rule %d", project, id)
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "immutable.set", Object: project, Detail: strconv.FormatInt(id, 10) + ": " + s.String(),
		})
	})
}

// Remove removes a rule of a project.
func (r *Rules) Remove(ctx context.Context, by auth.Caller, project string, id int64) error {
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Remove, project); err != nil {
			return err
		}
		changed, err := tx.Tx.Exec(ctx, `DELETE FROM immutable_rules
			WHERE id = $1 AND project_id = (SELECT id FROM projects WHERE name = $2)`, id, project)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no rule %d", project, id)
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "immutable.remove", Object: project, Detail: strconv.FormatInt(id, 10),
		})
	})
}

// accessory are the tags by which cosign ties signatures, attestations and SBOMs to
// an image: a second signature moves one, and changes nothing of the image.
var accessory = regexp.MustCompile(`^sha(256|512)-[0-9a-f]{64,128}(\.[a-z]+)?$`)

// Guard is a change.TagGuard: it refuses the move or removal of a tag that a rule
// keeps, with errdefs.ErrDenied. One that names nothing may name something, and one
// that names the same stays.
func Guard(ctx context.Context, tx *metadata.Tx, repo, tag string, to digest.Digest) error {
	at, err := tx.ManifestByTag(ctx, repo, tag)
	switch {
	case errors.Is(err, errdefs.ErrNotFound) || err == nil && at.Digest == to:
		return nil
	case err != nil:
		return err
	}
	rule, kept, err := Keeps(ctx, tx.Querier(), repo, tag)
	if err != nil || !kept {
		return err
	}
	return errdefs.Errorf(errdefs.ErrDenied,
		"tag %s of %s is immutable: rule %d of project %q keeps %s; use another tag, or have the rule removed",
		tag, repo, rule.ID, metadata.ProjectOf(repo), rule.Selector)
}

// Keeps says which rule keeps a tag of a repository where it is, if one does.
func Keeps(ctx context.Context, q db.Querier, repo, tag string) (Rule, bool, error) {
	if accessory.MatchString(tag) {
		return Rule{}, false, nil
	}
	all, err := Of(ctx, q, metadata.ProjectOf(repo))
	if err != nil {
		return Rule{}, false, err
	}
	rule, kept := Among(all, repo, tag)
	return rule, kept, nil
}

// Among is the first of a project's rules that keeps a tag, if one does.
func Among(all []Rule, repo, tag string) (Rule, bool) {
	if accessory.MatchString(tag) {
		return Rule{}, false
	}
	_, short, _ := strings.Cut(repo, "/")
	for _, rule := range all {
		if rule.Repository(short) && rule.Tag(tag) {
			return rule, true
		}
	}
	return Rule{}, false
}
