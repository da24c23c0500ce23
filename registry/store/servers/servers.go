// Package servers says which servers of a registry run, and which were killed.
//
// Of several servers each has a row in the database, under a lock that ends with
// its process. A row without its lock is of one that was killed, perhaps between
// making bytes durable and the transaction that owns them: whoever collects next
// looks for such bytes. So nothing of it is lost with the root of the killed one.
package servers

import (
	"context"
	"crypto/rand"
	"errors"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Join says to the other servers of the registry that this one runs, until leave.
func Join(ctx context.Context, database *metadata.DB) (leave func(context.Context) error, err error) {
	id := rand.Text()
	release, err := database.Hold(ctx, serverKey(id))
	if err != nil {
		return nil, err
	}
	err = database.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return add(ctx, tx, id) })
	if err != nil {
		release()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer release()
		return Forget(ctx, database, []string{id})
	}, nil
}

func serverKey(id string) string { return "server " + id }

// Killed are the servers that ended without leaving.
func Killed(ctx context.Context, database *metadata.DB) (dead []string, err error) {
	all, err := All(ctx, database)
	if err != nil {
		return nil, err
	}
	for _, id := range all {
		release, err := database.Hold(ctx, serverKey(id))
		if errors.Is(err, errdefs.ErrUnavailable) {
			continue // it runs; or the database does not answer, which the next statement says
		}
		if err != nil {
			return nil, err
		}
		release()
		dead = append(dead, id)
	}
	return dead, nil
}

// Forget removes the rows of servers that have ended.
func Forget(ctx context.Context, database *metadata.DB, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, id := range ids {
			if err := remove(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// All are the servers that run, and those that were killed.
func All(ctx context.Context, database *metadata.DB) ([]string, error) {
	return db.All(ctx, database.Querier(), db.ScanString, "SELECT id FROM servers ORDER BY started_at, id")
}

// add records that a server runs.
func add(ctx context.Context, tx *metadata.Tx, id string) error {
	_, err := tx.Tx.Exec(ctx, "INSERT INTO servers (id, started_at) VALUES ($1, $2)", id, db.Micros(tx.Now()))
	return db.Unavailable(err)
}

// remove records that a server has ended in order, or that what it left is cleared away.
func remove(ctx context.Context, tx *metadata.Tx, id string) error {
	_, err := tx.Tx.Exec(ctx, "DELETE FROM servers WHERE id = $1", id)
	return db.Unavailable(err)
}
