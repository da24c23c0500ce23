package rename

import (
	"context"
	"strconv"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/names"
)

// place is what a name is taken by: nothing, a project, or a repository, which may hold
// nothing any more.
type place struct {
	id      int64 // 0: the name is free
	emptied bool
}

func scanID(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) }

// placeOf finds out what has a name.
func placeOf(ctx context.Context, q db.Querier, r Request) (place, error) {
	if r.Project() {
		ids, err := db.All(ctx, q, scanID, "SELECT id FROM projects WHERE name = $1", r.To)
		if err != nil || len(ids) == 0 {
			return place{}, err
		}
		return place{id: ids[0]}, nil
	}
	found, err := db.All(ctx, q, func(s db.Scanner) (p place, err error) {
		var holds int64
		err = s.Scan(&p.id, &holds)
		p.emptied = holds == 0
		return p, err
	}, `SELECT r.id, CASE WHEN EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) THEN 1 ELSE 0 END
		FROM repositories r WHERE r.name = $1`, r.To)
	if err != nil || len(found) == 0 {
		return place{}, err
	}
	return found[0], nil
}

// free refuses a name that is taken by what holds something.
func free(ctx context.Context, q db.Querier, r Request) error {
	at, err := placeOf(ctx, q, r)
	switch {
	case err != nil:
		return err
	case at.id == 0 || at.emptied:
		return nil
	case r.Project():
		return errdefs.Errorf(errdefs.ErrExists, "project %q exists already", r.To)
	}
	return errdefs.Errorf(errdefs.ErrExists, "repository %q exists already", r.To)
}

// makeWay gives an emptied repository of the new name another one. What was deleted of it,
// and the history of its tags, stay with it: by that name they can be had back, and they are
// not mixed with what comes to be called so now.
func (m *move) makeWay(ctx context.Context) error {
	// Held until the commit, so that nothing comes into it meanwhile.
	if _, err := db.All(ctx, m.tx.Querier(), scanID, "SELECT id FROM repositories WHERE name = $1"+m.tx.Tx.ForUpdate,
		m.To); err != nil {
		return err
	}
	at, err := placeOf(ctx, m.tx.Querier(), m.Request)
	if err != nil || at.id == 0 {
		return err
	}
	if !at.emptied { // somebody pushed
		return errdefs.Errorf(errdefs.ErrExists, "repository %q exists already", m.To)
	}
	aside, err := m.aside(ctx)
	if err != nil {
		return err
	}
	if _, err := m.tx.Tx.Exec(ctx, "UPDATE repositories SET name = $2 WHERE id = $1", at.id, aside); err != nil {
		return db.Unavailable(err)
	}
	lost, err := db.All(ctx, m.tx.Querier(), scanID, "SELECT COUNT(*) FROM deleted_manifests WHERE repository_id = $1",
		at.id)
	if err == nil && lost[0] > 0 {
		m.note("what was deleted of %s can be had back as %s, as long as the collector waits", m.To, aside)
	}
	return err
}

// aside is a name for the emptied repository that nothing has, or had and has still for
// pulls.
func (m *move) aside(ctx context.Context) (string, error) {
	const tries = 1000
	for n := 1; n <= tries; n++ {
		name := m.To + ".emptied"
		if !reference.ValidRepository(name) { // it would be too long
			name = metadata.ProjectOf(m.To) + "/emptied"
		}
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		taken, err := placeOf(ctx, m.tx.Querier(), Request{From: m.From, To: name})
		if err != nil {
			return "", err
		}
		if taken.id == 0 && names.Free(ctx, m.tx.Querier(), name, m.tx.Now()) == nil {
			return name, nil
		}
	}
	return "", errdefs.Errorf(errdefs.ErrExists, "repository %q exists already", m.To)
}
