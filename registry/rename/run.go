package rename

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/names"
	"cove/registry/proxy/settings"
	"cove/registry/records"
	"cove/registry/store/change"
)

// run renames. The records beside the bytes are written by the new names first, most of
// them before the transaction; within it, when nobody else can push, those that have come
// since. So whatever is cut off leaves a record too many, and none too few.
func (n *Names) run(ctx context.Context, by auth.Caller, r Request, also within) (done Done, err error) {
	moves := beside{n.cfg.DB, n.cfg.Records, map[pair]records.Copied{}, map[pair][]string{}}
	repos, err := affected(ctx, n.cfg.DB.Querier(), r)
	if err == nil {
		err = free(ctx, n.cfg.DB.Querier(), r)
	}
	if err != nil {
		return Done{}, err
	}
	if err := moves.copy(ctx, repos); err != nil {
		return Done{}, err
	}
	err = n.cfg.DB.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := n.permit(ctx, tx, by, r); err != nil {
			return err
		}
		if done, repos, err = n.change(ctx, tx, by, r); err != nil {
			return err
		}
		if err := moves.copy(ctx, repos); err != nil {
			return err
		}
		if err := moves.sync(ctx); err != nil || also == nil {
			return err
		}
		return also(ctx, tx, done)
	})
	settled := moves.settle(context.WithoutCancel(ctx), err == nil)
	if err == nil && settled != nil { // it has its new name, whatever is left of the old one
		done.Notes = append(done.Notes, fmt.Sprintf("records of the old name could not be removed: %v", settled))
		return done, nil
	}
	return done, errors.Join(err, settled)
}

// pair is a repository by its old and its new name.
type pair struct {
	id       int64
	from, to string
}

// affected are the repositories that get another name.
func affected(ctx context.Context, q db.Querier, r Request) ([]pair, error) {
	if !r.Project() {
		var id int64
		err := q.Row(ctx, "SELECT id FROM repositories WHERE name = $1", r.From).Scan(&id)
		return []pair{{id, r.From, r.To}}, db.NotFound(err, "repository %s does not exist", r.From)
	}
	all, err := db.All(ctx, q, func(s db.Scanner) (p pair, err error) { return p, s.Scan(&p.id, &p.from) },
		`SELECT r.id, r.name FROM projects p JOIN repositories r ON r.project_id = p.id WHERE p.name = $1
		ORDER BY r.name`, r.From)
	for i := range all {
		all[i].to = r.To + all[i].from[len(r.From):]
	}
	return all, err
}

// change is the transaction of a rename.
func (n *Names) change(
	ctx context.Context, tx *metadata.Tx, by auth.Caller, r Request,
) (done Done, repos []pair, err error) {
	m := move{Request: r, tx: tx}
	if err := free(ctx, tx.Querier(), r); err != nil {
		return Done{}, nil, err
	}
	if r.Project() {
		err = m.project(ctx)
	} else {
		err = m.repository(ctx)
	}
	if err != nil {
		return Done{}, nil, err
	}
	if err := m.follow(ctx); err != nil {
		return Done{}, nil, err
	}
	if err := n.tell(ctx, tx, by, m.repos); err != nil {
		return Done{}, nil, err
	}
	done = Done{Name: r.To, Repositories: len(m.repos), Notes: m.notes}
	detail := "now " + r.To
	if r.Keep > 0 {
		done.Until = tx.Now().Add(r.Keep)
		detail += ", the old name is good for pulls until " + done.Until.UTC().Format(time.DateOnly)
	}
	err = names.Keep(ctx, tx.Tx, m.owner, r.From, names.Former{Now: r.To, Until: done.Until, By: by.Name})
	if err != nil {
		return Done{}, nil, err
	}
	action := "repository.rename"
	if r.Project() {
		action = "project.rename"
	}
	return done, m.repos, audit.Record(ctx, tx, by, audit.Change{Action: action, Object: r.From, Detail: detail})
}

// tell has replication hear that tags came by the new names, and went by the old ones.
func (n *Names) tell(ctx context.Context, tx *metadata.Tx, by auth.Caller, repos []pair) error {
	for _, p := range repos {
		tags, err := allTags(ctx, tx, p.id)
		if err != nil {
			return err
		}
		if len(tags) == 0 {
			continue
		}
		for _, c := range []change.Change{
			{Repository: p.to, Tags: tags, Actor: by.Name},
			{Repository: p.from, Tags: tags, Actor: by.Name, Deleted: true},
		} {
			if err := n.cfg.Tell(ctx, tx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func allTags(ctx context.Context, tx *metadata.Tx, repository int64) ([]string, error) {
	return db.All(ctx, tx.Querier(), db.ScanString, "SELECT name FROM tags WHERE repository_id = $1 ORDER BY name",
		repository)
}

// move is a rename within its transaction.
type move struct {
	Request
	tx    *metadata.Tx
	owner names.Owner
	repos []pair
	// from and to are the projects; of a project that is renamed both are it.
	from, to metadata.Project
	notes    []string
}

// repository renames a repository, which from then on nobody pushes to by its old name.
func (m *move) repository(ctx context.Context) (err error) {
	tx := m.tx
	if m.repos, err = affected(ctx, tx.Querier(), m.Request); err != nil {
		return err
	}
	m.owner = names.Owner{Repository: m.repos[0].id}
	if err := m.makeWay(ctx); err != nil {
		return err
	}
	if err := names.FreeFor(ctx, tx.Querier(), m.To, m.owner, tx.Now()); err != nil {
		return err
	}
	if m.from, err = tx.Project(ctx, metadata.ProjectOf(m.From)); err != nil {
		return err
	}
	if m.to, err = tx.Project(ctx, metadata.ProjectOf(m.To)); err != nil {
		return err
	}
	for _, p := range []metadata.Project{m.from, m.to} {
		if _, err := settings.Of(ctx, tx.Querier(), p.Name); err == nil {
			return errdefs.Errorf(errdefs.ErrConflict,
				"project %q shows what another registry has, by the names there: its repositories keep them", p.Name)
		} else if !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
	}
	changed, err := tx.Tx.Exec(ctx, "UPDATE repositories SET name = $2, project_id = $3 WHERE id = $1 AND name = $4",
		m.owner.Repository, m.To, m.to.ID, m.From)
	if err != nil {
		return db.Unavailable(err)
	}
	if changed == 0 {
		return errdefs.Errorf(errdefs.ErrConflict, "repository %s got another name meanwhile", m.From)
	}
	if m.from.ID == m.to.ID {
		return nil
	}
	return tx.MoveUsage(ctx, m.owner.Repository, m.from.ID, m.to.ID)
}

// project renames a project and all of its repositories.
func (m *move) project(ctx context.Context) (err error) {
	tx := m.tx
	if m.from, err = tx.ProjectForUpdate(ctx, m.From); err != nil {
		return err
	}
	m.to = m.from
	m.owner = names.Owner{Project: m.from.ID}
	if err := names.FreeFor(ctx, tx.Querier(), m.To, m.owner, tx.Now()); err != nil {
		return err
	}
	if m.repos, err = affected(ctx, tx.Querier(), m.Request); err != nil {
		return err
	}
	if _, err := tx.Tx.Exec(ctx, "UPDATE projects SET name = $2 WHERE id = $1", m.from.ID, m.To); err != nil {
		return db.Unavailable(err)
	}
	if _, err := tx.Tx.Exec(ctx, `UPDATE repositories SET name = CAST($2 AS TEXT) || substr(name, $3)
		WHERE project_id = $1`, m.from.ID, m.To, len(m.From)+1); err != nil {
		return db.Unavailable(err)
	}
	return nil
}

// beside are the records of what is renamed; without any it does nothing.
type beside struct {
	db     *metadata.DB
	all    *records.Records
	copied map[pair]records.Copied
	gone   map[pair][]string
}

// copy writes by their new names what is recorded of repositories and is not copied yet.
func (c beside) copy(ctx context.Context, repos []pair) error {
	if c.all == nil {
		return nil
	}
	for _, p := range repos {
		if c.copied[p] == nil {
			c.copied[p] = records.Copied{}
		}
		if err := c.all.Copy(ctx, p.from, p.to, c.copied[p]); err != nil {
			return fmt.Errorf("renaming %s: %w", p.from, err)
		}
	}
	return nil
}

// sync makes durable what was copied, and notes what went meanwhile. It is within the
// transaction: once that has ended, who was pushing by the old name clears it away.
func (c beside) sync(ctx context.Context) (err error) {
	if c.all == nil {
		return nil
	}
	for p, copied := range c.copied {
		if c.gone[p], err = c.all.Gone(ctx, p.from, copied); err != nil {
			return err
		}
	}
	return c.all.Sync()
}

// settle removes the records by the old names once they are renamed, with those copied that
// went meanwhile, or, when it failed, what was copied.
func (c beside) settle(ctx context.Context, renamed bool) error {
	var errs []error
	for p := range c.copied {
		if !renamed {
			at, err := placeOf(ctx, c.db.Querier(), Request{From: p.from, To: p.to})
			if err == nil && (at.id == 0 || at.emptied) { // not somebody else's
				err = c.all.Forget(ctx, p.to)
			}
			errs = append(errs, err)
			continue
		}
		errs = append(errs, c.all.Drop(ctx, p.to, c.gone[p]), c.all.Forget(ctx, p.from))
	}
	return errors.Join(errs...)
}
