// Package change is what a transaction of the store does to manifests and tags, for
// those who may refuse it and those who hear of it.
package change

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/metadata"
)

// TagGuard decides, within the transaction, whether a tag may name something else.
type TagGuard func(ctx context.Context, tx *metadata.Tx, repo, tag string, to digest.Digest) error

// Unguarded is the TagGuard that keeps no tag.
func Unguarded(context.Context, *metadata.Tx, string, string, digest.Digest) error { return nil }

// Change is what a transaction does to a manifest: it was pushed, with its new tags,
// or Deleted, itself with the tags that it had or, of those that stay, tags alone.
type Change struct {
	Deleted    bool
	Repository string
	Digest     digest.Digest
	Tags       []string
	Actor      string
}

// Deletion is the change that takes an artifact with its tags, or tags of one.
func Deletion(actor, repo string, dgst digest.Digest, tags ...string) Change {
	return Change{Deleted: true, Repository: repo, Digest: dgst, Tags: tags, Actor: actor}
}

// Teller hears of a change within its transaction. Its error refuses the change.
type Teller func(ctx context.Context, tx *metadata.Tx, c Change) error

// Both is the Teller that tells two.
func Both(a, b Teller) Teller {
	return func(ctx context.Context, tx *metadata.Tx, c Change) error {
		if err := a(ctx, tx, c); err != nil {
			return err
		}
		return b(ctx, tx, c)
	}
}

// Untold is the Teller that nobody listens to.
func Untold(context.Context, *metadata.Tx, Change) error { return nil }

// Tag is a tag in a repository.
type Tag struct {
	RepositoryID     int64
	Repository, Name string
}

// Set has the tag name a manifest. That it did not before is a line of the log: the line of
// the manifest's push has no tags, and is not written again when another tag comes to name it.
func (t Tag) Set(ctx context.Context, tx *metadata.Tx, to digest.Digest, by string) error {
	was, err := tx.ManifestByTag(ctx, t.Repository, t.Name)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if was.Digest == to {
		return nil
	}
	if err := tx.SetTag(ctx, t.RepositoryID, t.Name, to, by); err != nil {
		return err
	}
	return tx.Audit(ctx, by, "tag.set", t.Repository+":"+t.Name, to.String())
}
