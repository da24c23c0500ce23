package replication

import (
	"context"
	"errors"
	"maps"
	"slices"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

// batch is how many rows one transaction writes.
const batch = 500

// plan writes the tags of a run that is not planned yet. It may be begun again after a
// kill: what is there stays as it is.
func (r *running) plan(ctx context.Context) error {
	switch r.order.Cause {
	case Event:
		return r.planned(ctx) // what waits is taken by pending
	case Retry:
		return r.planAgain(ctx)
	}
	if err := r.planTags(ctx); err != nil {
		return err
	}
	return r.planned(ctx)
}

func (r *running) planned(ctx context.Context) error {
	return r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "UPDATE replication_runs SET planned = 1 WHERE id = $1", r.id)
		return db.Unavailable(err)
	})
}

// planAgain takes what another run has not done.
func (r *running) planAgain(ctx context.Context) error {
	err := r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, `INSERT INTO replication_items (run_id, repository, tag, target, deleted, state)
			SELECT $1, repository, tag, target, deleted, 'waiting' FROM replication_items
			WHERE run_id = $2 AND state IN ('failed', 'waiting') ON CONFLICT DO NOTHING`, r.id, r.order.Of)
		return db.Unavailable(err)
	})
	if err != nil {
		return err
	}
	return r.planned(ctx)
}

// planTags lists the source. What the rule has copied before and is gone there is
// deleted, if the rule says so.
func (r *running) planTags(ctx context.Context) error {
	repos, err := r.from.Repositories(ctx, r.rule.Glob())
	if err != nil {
		return err
	}
	copies, err := r.copies(ctx)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		if !r.rule.Filter.Repository(repo) {
			continue
		}
		tags, err := r.from.Repository(repo).Tags(ctx)
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) { // it is gone since, or has no tags
			return err
		}
		var items []Item
		for _, tag := range tags {
			delete(copies, repo+":"+tag)
			if r.rule.Chooses(repo, tag) {
				items = append(items, Item{Repository: repo, Tag: tag, Target: r.target(repo)})
			}
		}
		if err := r.add(ctx, items); err != nil {
			return err
		}
		r.say()
	}
	if !r.rule.Delete {
		return nil
	}
	return r.add(ctx, slices.Collect(maps.Values(copies)))
}

// copies are what the rule has put at the target, by what they are called at the
// source, as deletions.
func (r *running) copies(ctx context.Context) (map[string]Item, error) {
	copies := map[string]Item{}
	err := db.Each(ctx, r.s.db.Querier(), func(row db.Scanner) (bool, error) {
		item := Item{Delete: true}
		err := row.Scan(&item.Repository, &item.Tag, &item.Target)
		copies[item.Repository+":"+item.Tag] = item
		return true, err
	}, "SELECT repository, tag, target FROM replication_copies WHERE rule_id = $1", r.rule.ID)
	return copies, err
}

// add writes tags that wait.
func (r *running) add(ctx context.Context, items []Item) error {
	for some := range slices.Chunk(items, batch) {
		err := r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			for _, item := range some {
				if err := r.addOne(ctx, tx.Tx, item, "DO NOTHING"); err != nil {
					return err
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

func (r *running) addOne(ctx context.Context, tx *db.Tx, item Item, conflict string) error {
	_, err := tx.Exec(ctx, `INSERT INTO replication_items (run_id, repository, tag, target, deleted, state)
		VALUES ($1, $2, $3, $4, $5, 'waiting') ON CONFLICT (run_id, repository, tag) `+conflict,
		r.id, item.Repository, item.Tag, item.Target, db.Number(item.Delete))
	return db.Unavailable(err)
}

// pending makes tags of the run of what happened, and says whether there was
// something. One that happened again since is done again.
func (r *running) pending(ctx context.Context) (some bool, err error) {
	if r.rule.Direction != Push || !r.rule.OnEvent {
		return false, nil
	}
	err = r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		all, err := db.All(ctx, tx.Tx, func(row db.Scanner) (item Item, err error) {
			var deleted int64
			err = row.Scan(&item.Repository, &item.Tag, &deleted)
			item.Delete = deleted != 0
			return item, err
		}, "SELECT repository, tag, deleted FROM replication_pending WHERE rule_id = $1 ORDER BY at LIMIT $2"+tx.Tx.ForUpdate,
			r.rule.ID, batch)
		if err != nil {
			return err
		}
		some = len(all) > 0
		for _, item := range all {
			item.Target = r.target(item.Repository)
			err := r.addOne(
				ctx,
				tx.Tx,
				item,
				"DO UPDATE SET state = 'waiting', attempts = 0, deleted = excluded.deleted",
			)
			if err != nil {
				return err
			}
			if _, err := tx.Tx.Exec(ctx, `DELETE FROM replication_pending
				WHERE rule_id = $1 AND repository = $2 AND tag = $3`, r.rule.ID, item.Repository,
				item.Tag); err != nil {
				return db.Unavailable(err)
			}
		}
		return nil
	})
	return some, err
}
