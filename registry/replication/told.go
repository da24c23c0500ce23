package replication

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/replication/choice"
	"cove/registry/store/change"
)

// Stored is a change.Teller: it has the rules that listen hear of what was pushed and
// deleted. It costs one query where none does.
func Stored(ctx context.Context, tx *metadata.Tx, c change.Change) error {
	rules, err := listening(ctx, tx)
	if err != nil || len(rules) == 0 {
		return err
	}
	tags, err := concerned(ctx, tx, c)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if c.Deleted && !r.Delete {
			continue
		}
		if err := r.hear(ctx, tx, c, tags); err != nil {
			return err
		}
	}
	return nil
}

// Labelled has the rules that listen, and choose by labels, hear that one was put on an
// artifact.
func Labelled(ctx context.Context, tx *metadata.Tx, repo, dgst, actor string) error {
	rules, err := listening(ctx, tx)
	if err != nil || len(rules) == 0 {
		return err
	}
	tags, err := tx.TagsOn(ctx, repo, dgst)
	if err != nil {
		return err
	}
	labelled := change.Change{Repository: repo, Digest: digest.Digest(dgst), Actor: actor}
	for _, r := range rules {
		if len(r.Labels) == 0 {
			continue
		}
		if err := r.hear(ctx, tx, labelled, tags); err != nil {
			return err
		}
	}
	return nil
}

// listening are the rules that hear of events.
func listening(ctx context.Context, tx *metadata.Tx) ([]Rule, error) {
	return db.All(ctx, tx.Querier(), scanRule, selectRules+"WHERE r.on_event = 1 AND r.enabled = 1 ORDER BY r.id")
}

// hear notes tags for a rule, and has a run of it begin. One that goes on finds them
// when it is done with the others.
func (r Rule) hear(ctx context.Context, tx *metadata.Tx, c change.Change, tags []string) error {
	some := false
	for _, tag := range tags {
		if !r.Chooses(c.Repository, tag) {
			continue
		}
		some = true
		if _, err := tx.Tx.Exec(ctx, `INSERT INTO replication_pending (rule_id, repository, tag, deleted, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (rule_id, repository, tag) DO UPDATE
			SET deleted = excluded.deleted, at = excluded.at`,
			r.ID, c.Repository, tag, db.Number(c.Deleted), db.Micros(tx.Now())); err != nil {
			return db.Unavailable(err)
		}
	}
	if !some {
		return nil
	}
	return r.wake(ctx, tx, c.Actor)
}

func (r Rule) wake(ctx context.Context, tx *metadata.Tx, by string) error {
	_, _, err := jobs.Add(ctx, tx, jobs.New{
		Kind: JobKind, Subject: r.subject(), By: by, Args: order{Cause: Event}, Alone: true,
	})
	return err
}

// concerned are the tags that a change is about: of what refers to something, as a
// signature, those that name that.
func concerned(ctx context.Context, tx *metadata.Tx, c change.Change) ([]string, error) {
	var tags []string
	subjects := map[digest.Digest]bool{}
	for _, tag := range c.Tags {
		if subject, ok := choice.SubjectOf(tag); ok {
			subjects[subject] = true
		} else {
			tags = append(tags, tag)
		}
	}
	if c.Deleted {
		return tags, nil
	}
	if len(c.Tags) == 0 {
		named, err := db.All(ctx, tx.Querier(), db.ScanString, `SELECT m.subject FROM repositories r
			JOIN manifests m ON m.repository_id = r.id AND m.digest = $2 WHERE r.name = $1`,
			c.Repository, c.Digest.String())
		if err != nil {
			return nil, err
		}
		for _, subject := range named {
			subjects[digest.Digest(subject)] = true
		}
	}
	for subject := range subjects {
		on, err := tx.TagsOn(ctx, c.Repository, subject.String())
		if err != nil {
			return nil, err
		}
		tags = append(tags, on...)
	}
	return tags, nil
}

// left begins another run for what happened while one ended; it is within the
// transaction of the end.
func (s *Service) left(ctx context.Context, tx *metadata.Tx, j jobs.Job) error {
	rules, err := db.All(ctx, tx.Querier(), scanRule, selectRules+`WHERE r.enabled = 1 AND CAST(r.id AS TEXT) = $1
		AND EXISTS (SELECT 1 FROM replication_pending p WHERE p.rule_id = r.id)`, j.Subject)
	if err != nil || len(rules) == 0 || j.State == jobs.Stopped {
		return err
	}
	return rules[0].wake(ctx, tx, j.By)
}
