package storage

import (
	"context"
	"errors"
	"iter"

	"cove/content/s3store"
	"cove/errdefs"
	"cove/registry/metadata"
)

// states keeps how far writes have come in the database, so that every server of
// the registry goes on with them.
type states struct{ db *metadata.DB }

// Claim implements s3store.States.
func (s states) Claim(ctx context.Context, key string) (s3store.Claim, error) {
	release, err := s.db.Hold(ctx, "write "+key)
	if err != nil {
		return nil, err
	}
	w, err := s.db.Write(ctx, key)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		release()
		return nil, err
	}
	return &claim{db: s.db, write: w, release: release}, nil
}

// All implements s3store.States.
func (s states) All(ctx context.Context) iter.Seq2[s3store.Saved, error] {
	return func(yield func(s3store.Saved, error) bool) {
		for last := ""; ; {
			page, err := s.db.Writes(ctx, last, 100)
			if err != nil {
				yield(s3store.Saved{}, err)
				return
			}
			for _, w := range page {
				if !yield(s3store.Saved{Key: w.ID, State: []byte(w.State), At: w.SavedAt}, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			last = page[len(page)-1].ID
		}
	}
}

type claim struct {
	db      *metadata.DB
	write   metadata.Write
	release func()
}

func (c *claim) State() []byte {
	if c.write.Version == 0 {
		return nil
	}
	return []byte(c.write.State)
}

// Save needs no fsync: what a power cut takes back, the client sends again.
func (c *claim) Save(ctx context.Context, state []byte) error {
	next := c.write
	next.State = string(state)
	err := c.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.SaveWrite(ctx, next) })
	if err == nil {
		next.Version++
		c.write = next
	}
	return err
}

func (c *claim) Drop(ctx context.Context) error {
	if c.write.Version == 0 {
		return nil
	}
	return c.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.DropWrite(ctx, c.write.ID, c.write.Version)
	})
}

func (c *claim) Release() { c.release() }
