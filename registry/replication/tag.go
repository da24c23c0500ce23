package replication

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/distribution/copy"
	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/replication/side"
)

// do brings a tag to be at the target as the rule wants it.
func (r *running) do(ctx context.Context, item *Item) error {
	if item.Delete {
		return r.remove(ctx, item)
	}
	src, dst := r.from.Repository(item.Repository), r.to.Repository(item.Target)
	m, err := src.Resolve(ctx, item.Tag)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		item.State, item.Note = Skipped, "it is gone at the source"
		return nil
	case err != nil:
		return err
	}
	item.Digest = m.Descriptor.Digest
	if taken, err := r.takes(ctx, item, src, m); err != nil || !taken {
		item.State, item.Note = Skipped, "no filter takes it"
		return err
	}
	at, err := dst.Stat(ctx, item.Tag)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrDenied) {
		return err // a project that is not there may be denied; Prepare makes it
	}
	switch {
	case err == nil && at.Digest == item.Digest:
		same, err := side.SameReferrers(ctx, src, dst, item.Digest)
		if err != nil || same {
			item.State = Unchanged
			return err
		}
	case err == nil && !r.rule.Override:
		item.State, item.Note = Kept, "it names "+at.Digest.String()+" there"
		return nil
	}
	if err := r.to.Prepare(ctx, item.Target); err != nil {
		return err
	}
	return r.copy(ctx, item, src, dst)
}

// takes says whether the rule takes what a tag names. What people have labelled is known of
// this registry alone.
func (r *running) takes(ctx context.Context, item *Item, src side.Repository, m distribution.Manifest) (bool, error) {
	if r.rule.Direction != Push || len(r.rule.Labels) == 0 {
		return r.rule.Takes(ctx, src, m)
	}
	own, err := labels.Names(ctx, r.s.db.Querier(), metadata.CanonicalName(item.Repository), m.Descriptor.Digest)
	if err != nil {
		return false, err
	}
	return r.rule.Takes(ctx, src, m, own...)
}

func (r *running) copy(ctx context.Context, item *Item, src, dst side.Repository) error {
	meter := side.NewMeter(func(n int64) { r.count(ctx, n) })
	_, err := copy.Copy(ctx, dst, r.limited(src), item.Digest.String(), copy.Options{
		Tag: item.Tag, Referrers: true, Progress: meter.Hear, Uploads: uploads{r},
	})
	item.Bytes = meter.Bytes()
	if err == nil {
		item.State, item.Note = Copied, ""
	}
	return err
}

// remove deletes a tag that the rule has put at the target, if it is still that.
func (r *running) remove(ctx context.Context, item *Item) error {
	put, err := db.All(ctx, r.s.db.Querier(), db.ScanString,
		"SELECT digest FROM replication_copies WHERE rule_id = $1 AND repository = $2 AND tag = $3 AND target = $4",
		r.rule.ID, item.Repository, item.Tag, item.Target)
	if err != nil {
		return err
	}
	if len(put) == 0 {
		item.State, item.Note = Kept, "the rule has not put it there"
		return nil
	}
	dst := r.to.Repository(item.Target)
	at, err := dst.Stat(ctx, item.Tag)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		item.State, item.Note = Skipped, "it is gone there"
		return nil
	case err != nil:
		return err
	case at.Digest.String() != put[0]:
		item.State, item.Note = Kept, "it names "+at.Digest.String()+" there, which the rule has not put there"
		return nil
	}
	if err := dst.DeleteTag(ctx, item.Tag); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	item.State, item.Digest = Deleted, at.Digest
	return nil
}

// uploads are the unfinished ones of a rule, as rows.
type uploads struct{ r *running }

// Upload is client.Uploads's.
func (u uploads) Upload(ctx context.Context, repo string, dgst digest.Digest) (string, error) {
	found, err := db.All(ctx, u.r.s.db.Querier(), db.ScanString,
		"SELECT location FROM replication_uploads WHERE rule_id = $1 AND repository = $2 AND digest = $3",
		u.r.rule.ID, repo, dgst.String())
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// KeepUpload is client.Uploads's.
func (u uploads) KeepUpload(ctx context.Context, repo string, dgst digest.Digest, location string) error {
	return u.r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		stmt := "DELETE FROM replication_uploads WHERE rule_id = $1 AND repository = $2 AND digest = $3"
		args := []any{u.r.rule.ID, repo, dgst.String()}
		if location != "" {
			stmt = `INSERT INTO replication_uploads (rule_id, repository, digest, location, at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (rule_id, repository, digest) DO UPDATE SET location = excluded.location, at = excluded.at`
			args = append(args, location, db.Micros(tx.Now()))
		}
		_, err := tx.Tx.Exec(ctx, stmt, args...)
		return db.Unavailable(err)
	})
}
