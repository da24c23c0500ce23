// Package hold keeps stored bytes from being collected while somebody reads all of
// them, as a backup does, in whichever process that is.
package hold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cove/registry/db"
	"cove/registry/metadata"
)

// A hold lasts for life and is renewed in time. It simply ends: nobody gives one
// back, because another may have begun meanwhile.
const (
	life  = 2 * time.Minute
	renew = 30 * time.Second
)

// During calls fn while no bytes are collected. If the hold is lost, because the
// database does not answer, the context of fn ends with the reason.
func During(ctx context.Context, m *metadata.DB, fn func(ctx context.Context) error) error {
	if err := extend(ctx, m); err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() { // ends by lost, below
		defer close(ended)
		keep(ctx, m, lost)
	}()
	err := fn(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	lost(nil)
	<-ended
	return err
}

func keep(ctx context.Context, m *metadata.DB, lost context.CancelCauseFunc) {
	ends := time.Now().Add(life)
	tick := time.NewTicker(renew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := extend(ctx, m)
			switch {
			case err == nil:
				ends = now.Add(life)
			case now.Add(renew).After(ends):
				lost(fmt.Errorf("bytes may be collected from now on: %w", err))
				return
			}
		}
	}
}

func extend(ctx context.Context, m *metadata.DB) error {
	return m.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Querier().Exec(ctx, "UPDATE holds SET held_until = $1 WHERE one = 1 AND held_until < $1",
			db.Micros(tx.Now().Add(life)))
		return db.Unavailable(err)
	})
}

// Postpone puts off reviews of bytes until the newest hold ends, for who is about to
// mark them as going in the same transaction; it says whether there is one. A hold
// that begins waits for that transaction, so that a snapshot which is taken
// afterwards shows the marks.
func Postpone(ctx context.Context, tx *metadata.Tx, due []metadata.Due) (held bool, err error) {
	var micros int64
	err = tx.Querier().Row(ctx, "SELECT held_until FROM holds WHERE one = 1"+tx.ForShare()).Scan(&micros)
	until := time.UnixMicro(micros)
	if err != nil || !until.After(tx.Now()) {
		return false, db.Unavailable(err)
	}
	for _, d := range due {
		if err := tx.Review(ctx, d.RepositoryID, d.Digest, until); err != nil {
			return false, err
		}
	}
	return true, nil
}
