package store

import (
	"context"
	"errors"

	"cove/distribution"
	"cove/registry/metadata"
	"cove/registry/metadata/usage"
)

// charge is DB.Update for a write that may bring bytes to the project of a repository.
// When they do not fit, what others pushed and did not come back to gives its bytes
// up; when they still do not, what was pushed to this repository and no manifest needs
// yet does: this push will not come to its manifest, and the next must not wait for
// its lease.
func (r *Registry) charge(
	ctx context.Context, repo string, write func(ctx context.Context, tx *metadata.Tx) error,
) error {
	err := r.db.Update(ctx, write)
	for _, giveUp := range []bool{false, true} {
		var full *distribution.QuotaError
		if !errors.As(err, &full) {
			return err
		}
		freed, failed := r.relieve(ctx, repo, giveUp)
		if failed != nil {
			return errors.Join(err, failed)
		}
		if freed > 0 && !giveUp {
			err = r.db.Update(ctx, write)
		}
	}
	return err
}

func (r *Registry) relieve(ctx context.Context, repo string, giveUp bool) (freed int64, err error) {
	err = r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		freed, err = usage.Relieve(ctx, tx.Tx, usage.Held{
			Project: metadata.ProjectOf(repo), Repository: repo, GiveUp: giveUp,
		})
		return err
	})
	return freed, err
}

// fits refuses bytes of an upload for which the project has no room, before they are
// all here: they are dropped, and the upload is over.
func (u *upload) fits(ctx context.Context, more int) error {
	end := u.Offset() + int64(more)
	if u.room.Allows(end) {
		return nil
	}
	var err error
	if u.room, err = usage.RoomOf(ctx, u.r.db.Querier(), u.repoID); err != nil || u.room.Allows(end) {
		return err
	}
	return u.dropIfFull(ctx, u.room.Refusal(end))
}

// endIfOver ends an upload whose bytes did not fit, and are removed. The client begins
// again, once there is room.
func (u *upload) endIfOver(ctx context.Context, err error) error {
	var full *distribution.QuotaError
	if errors.As(err, &full) {
		u.full, u.w = err, nil
		_ = u.forget(ctx) // else the row goes when it expires
	}
	return err
}
