// Package reindex makes a registry's database from the records that lie beside its
// bytes, and the records from a database.
package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/registry/metadata"
	"cove/registry/parse"
	"cove/registry/records"
)

// Done counts what a Run has brought back.
type Done struct {
	Repositories, Manifests, Tags int
	// Lost are contents that a manifest needs and the storage does not have, or
	// has in another length: a push of the image brings them back.
	Lost int
}

// reindexer is the name in the history of what Run does.
const reindexer = "(reindex)"

// Run puts into the database what the records beside the bytes say that the
// registry holds: repositories, manifests and tags. What the database knows
// already stays, but for tags, which name what the records say. problem is told
// of every record that cannot be followed. No server may run.
//
// Accounts, members and whether a project is public are not in the records.
func Run(
	ctx context.Context, store content.BlobStore, db *metadata.DB, recs *records.Records, problem func(error),
) (Done, error) {
	manifests, tags, err := recs.All(ctx)
	if err != nil {
		return Done{}, err
	}
	db.NumberAfter(recs.Sequence()) // what is written now is newer than all that was lost
	x := &reindex{
		store: store, db: db, known: map[place]bool{}, repos: map[string]bool{},
		lost: map[digest.Digest]bool{},
	}
	for _, m := range manifests {
		if err := x.manifest(ctx, m); err != nil {
			if ctx.Err() != nil || errors.Is(err, errdefs.ErrUnavailable) || errors.Is(err, errdefs.ErrExhausted) {
				return x.done, err
			}
			problem(err)
		}
	}
	for _, history := range tags {
		if err := x.tag(ctx, history); err != nil {
			if ctx.Err() != nil || errors.Is(err, errdefs.ErrUnavailable) || errors.Is(err, errdefs.ErrExhausted) {
				return x.done, err
			}
			problem(err)
		}
	}
	x.done.Repositories, x.done.Lost = len(x.repos), len(x.lost)
	return x.done, db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.Audit(ctx, reindexer, "registry.reindex", "", fmt.Sprintf("%+v", x.done))
	})
}

type reindex struct {
	store content.BlobStore
	db    *metadata.DB
	known map[place]bool // manifests that are in the database now
	repos map[string]bool
	lost  map[digest.Digest]bool
	done  Done
}

type place struct {
	repo string
	dgst digest.Digest
}

func (x *reindex) manifest(ctx context.Context, rec records.Manifest) error {
	body, err := content.ReadBlob(ctx, x.store, ocispec.Descriptor{Digest: rec.Digest})
	if err != nil {
		return fmt.Errorf("repository %s: manifest: %w", rec.Repository, err)
	}
	desc := ocispec.Descriptor{MediaType: rec.MediaType, Digest: rec.Digest, Size: int64(len(body))}
	meta, err := parse.Manifest(distribution.Manifest{Descriptor: desc, Body: body})
	if err != nil {
		return fmt.Errorf("repository %s: manifest %s: %w", rec.Repository, rec.Digest, err)
	}
	doc, err := manifest.Parse(desc.MediaType, body)
	if err != nil {
		return fmt.Errorf("repository %s: manifest %s: %w", rec.Repository, rec.Digest, err)
	}
	needs := append(doc.Blobs(), doc.Manifests...)
	for _, d := range needs {
		if info, err := x.store.Stat(ctx, d.Digest); err != nil || info.Size != d.Size {
			x.lost[d.Digest] = true
		}
	}
	err = x.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		repoID, err := tx.EnsureRepository(ctx, rec.Repository, metadata.Creator{Name: reindexer})
		if err != nil {
			return err
		}
		for _, d := range append(needs, meta.Descriptor) {
			if err := tx.AddBytes(ctx, d.Digest, d.Size); err != nil {
				return err
			}
		}
		for _, d := range meta.Blobs {
			if err := tx.AddBlob(ctx, repoID, d.Digest, tx.Now().Add(time.Hour)); err != nil {
				return err
			}
		}
		return tx.AddManifest(ctx, repoID, meta, rec.By)
	})
	if err == nil {
		x.known[place{rec.Repository, rec.Digest}] = true
		x.repos[rec.Repository] = true
		x.done.Manifests++
	}
	return err
}

// tag takes the newest record whose manifest is there: a push that was killed
// before its transaction may have left one of a manifest that is not.
func (x *reindex) tag(ctx context.Context, history []records.Tag) error {
	for _, t := range history {
		if !x.known[place{t.Repository, t.Digest}] {
			continue
		}
		err := x.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			repoID, err := tx.Repository(ctx, t.Repository)
			if err != nil {
				return err
			}
			return tx.SetTag(ctx, repoID, t.Name, t.Digest, reindexer)
		})
		if err == nil {
			x.done.Tags++
		}
		return err
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "repository %s: tag %s: the manifest it names, %s, is not there",
		history[0].Repository, history[0].Name, history[0].Digest)
}

// pageLength is how many manifests are read at once.
const pageLength = 512

// Record writes the records of all that the database knows, for a storage that
// has none yet. They are durable once the caller has synced the file system.
func Record(ctx context.Context, db *metadata.DB, recs *records.Records) error {
	for last := (metadata.Held{}); ; {
		page, err := db.Manifests(ctx, last, pageLength)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, h := range page {
			m := records.Manifest{
				Repository: h.Repository, Digest: digest.Digest(h.Digest), MediaType: h.MediaType, By: h.By,
			}
			if err := recs.AddManifest(ctx, m, atomicfile.Volatile); err != nil {
				return err
			}
			tags, err := db.TagsOn(ctx, h.Repository, h.Digest)
			if err != nil {
				return err
			}
			for _, tag := range tags {
				if err := recs.AddTag(ctx, h.Repository, tag, m.Digest, atomicfile.Volatile); err != nil {
					return err
				}
			}
		}
		last = page[len(page)-1]
	}
}
