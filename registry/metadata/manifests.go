package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata/scannable"
	"cove/registry/metadata/sparse"
)

// Manifest is what the database knows of a manifest in a repository.
type Manifest struct {
	Descriptor ocispec.Descriptor // with ArtifactType, and Annotations for referrers
	Subject    digest.Digest      // "" when it has none
	// Blobs and Children are the blobs and the manifests that it needs, as it
	// describes them, each once.
	Blobs, Children []ocispec.Descriptor
	// Mentions are what else it describes, as its subject: they may be absent.
	Mentions []ocispec.Descriptor
	// Absent are those of them that the repository does not have, and need not have.
	Absent []digest.Digest
}

// Needs are the digests of all that m needs.
func (m Manifest) Needs() []digest.Digest {
	needs := make([]digest.Digest, 0, len(m.Blobs)+len(m.Children))
	for _, d := range m.Blobs {
		needs = append(needs, d.Digest)
	}
	for _, d := range m.Children {
		needs = append(needs, d.Digest)
	}
	return needs
}

// Describes are the digests of all that m says the size of.
func (m Manifest) Describes() []digest.Digest {
	all := m.Needs()
	for _, d := range m.Mentions {
		all = append(all, d.Digest)
	}
	return all
}

// ManifestByDigest returns the descriptor of a manifest, or errdefs.ErrNotFound.
func (q Queries) ManifestByDigest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{Digest: dgst}
	err := q.q.Row(ctx, `SELECT m.media_type, m.size, m.artifact_type FROM repositories r
		JOIN manifests m ON m.repository_id = r.id AND m.digest = $2
		WHERE r.name = $1`, repo, dgst.String()).Scan(&desc.MediaType, &desc.Size, &desc.ArtifactType)
	return desc, db.NotFound(err, "repository %s has no manifest %s", repo, dgst)
}

// ManifestByTag returns the descriptor of the manifest that a tag names, or
// errdefs.ErrNotFound.
func (q Queries) ManifestByTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	var desc ocispec.Descriptor
	var dgst string
	err := q.q.Row(ctx, `SELECT m.digest, m.media_type, m.size, m.artifact_type FROM repositories r
		JOIN tags t ON t.repository_id = r.id AND t.name = $2
		JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest
		WHERE r.name = $1`, repo, tag).Scan(&dgst, &desc.MediaType, &desc.Size, &desc.ArtifactType)
	desc.Digest = digest.Digest(dgst)
	if err = db.NotFound(err, "repository %s has no tag %s", repo, tag); errors.Is(err, errdefs.ErrNotFound) {
		if _, none := q.Repository(ctx, repo); none != nil {
			return desc, none
		}
	}
	return desc, err
}

// AddManifest records a manifest whose bytes AddBytes has recorded and whose
// needs Pin has found complete, in this same transaction. Adding it again
// changes nothing.
func (tx *Tx) AddManifest(ctx context.Context, repoID int64, m Manifest, actor string) error {
	annotations := ""
	if len(m.Descriptor.Annotations) > 0 && m.Subject != "" {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(m.Descriptor.Annotations); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "manifest %s: annotations: %w", m.Descriptor.Digest, err)
		}
		annotations = strings.TrimSpace(text.String())
	}
	desc := m.Descriptor
	changed, err := tx.q.Exec(ctx, `INSERT INTO manifests
		(repository_id, digest, media_type, size, artifact_type, subject, annotations, pushed_at, pushed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (repository_id, digest) DO NOTHING`,
		repoID, desc.Digest.String(), desc.MediaType, desc.Size, desc.ArtifactType, m.Subject.String(), annotations,
		db.Micros(tx.tx.Now), actor)
	if err != nil || changed == 0 {
		return db.Unavailable(err)
	}
	tx.usage.Manifest(repoID, desc.Digest, 1)
	if err := scannable.Arrived(ctx, tx.q, repoID, desc); err != nil {
		return err
	}
	if err := tx.auditPush(ctx, repoID, desc.Digest, actor); err != nil {
		return err
	}
	if err := tx.dropDeleted(ctx, repoID, desc.Digest); err != nil {
		return err
	}
	if err := tx.addRefs(ctx, repoID, m); err != nil {
		return err
	}
	_, err = sparse.Arrived(ctx, tx.q, repoID, desc.Digest, true)
	return err
}

// addRefs records what a manifest needs.
func (tx *Tx) addRefs(ctx context.Context, repoID int64, m Manifest) error {
	for _, refs := range []struct {
		descs      []ocispec.Descriptor
		isManifest bool
	}{{m.Blobs, false}, {m.Children, true}} {
		for _, d := range refs.descs {
			if slices.Contains(m.Absent, d.Digest) {
				want := sparse.Want{
					RepositoryID: repoID, Manifest: m.Descriptor.Digest, Digest: d.Digest, IsManifest: refs.isManifest,
				}
				if err := sparse.Add(ctx, tx.q, want); err != nil {
					return err
				}
				continue
			}
			added, err := tx.q.Exec(ctx, `INSERT INTO manifest_refs (repository_id, manifest, digest, is_manifest)
				VALUES ($1, $2, $3, $4) ON CONFLICT (repository_id, manifest, digest) DO NOTHING`,
				repoID, m.Descriptor.Digest.String(), d.Digest.String(), db.Number(refs.isManifest))
			if err != nil {
				return db.Unavailable(err)
			}
			if !refs.isManifest {
				tx.usage.Needed(repoID, d.Digest, added)
			}
		}
	}
	return nil
}

// auditPush also gives the push its number in the sequence of changes.
func (tx *Tx) auditPush(ctx context.Context, repoID int64, dgst digest.Digest, actor string) error {
	repo, err := db.ScanString(tx.q.Row(ctx, "SELECT name FROM repositories WHERE id = $1", repoID))
	if err != nil {
		return db.Unavailable(err)
	}
	return tx.Audit(ctx, actor, "manifest.push", repo+"@"+dgst.String(), "")
}

// RemoveManifest removes a manifest and the tags on it, and has GC look at what
// it needed once grace has passed. A manifest that an index needs is
// errdefs.ErrConflict: delete the index first.
func (tx *Tx) RemoveManifest(
	ctx context.Context, repoID int64, dgst digest.Digest, actor string, grace time.Duration,
) error {
	if err := tx.lockBytes(ctx, dgst); err != nil {
		return err
	}
	held, err := tx.exists(ctx, "SELECT 1 FROM manifest_refs WHERE repository_id = $1 AND digest = $2 AND is_manifest = 1 LIMIT 1",
		repoID, dgst.String())
	if err != nil {
		return err
	}
	if held {
		return errdefs.Errorf(errdefs.ErrConflict, "manifest %s is part of an index; delete the index first", dgst)
	}
	tags, err := db.All(ctx, tx.q, db.ScanString, "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2",
		repoID, dgst.String())
	if err != nil {
		return err
	}
	if err := tx.keepDeleted(ctx, repoID, dgst, tags, actor); err != nil {
		return err
	}
	for _, tag := range tags {
		if err := tx.RemoveTag(ctx, repoID, tag, actor); err != nil {
			return err
		}
	}
	if err := tx.releaseRefs(ctx, repoID, dgst, grace); err != nil {
		return err
	}
	if err := sparse.Drop(ctx, tx.q, repoID, dgst); err != nil {
		return err
	}
	changed, err := tx.q.Exec(ctx, "DELETE FROM manifests WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	if err != nil {
		return db.Unavailable(err)
	}
	if changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "this repository has no manifest %s", dgst)
	}
	tx.usage.Manifest(repoID, dgst, -1)
	if err := scannable.Left(ctx, tx.q, repoID, dgst); err != nil {
		return err
	}
	return tx.Review(ctx, bytesOf, dgst, tx.tx.Now.Add(grace))
}

func (tx *Tx) releaseRefs(ctx context.Context, repoID int64, manifest digest.Digest, grace time.Duration) error {
	blobs, err := db.All(ctx, tx.q, db.ScanString, `SELECT digest FROM manifest_refs
		WHERE repository_id = $1 AND manifest = $2 AND is_manifest = 0 ORDER BY digest`, repoID, manifest.String())
	if err != nil {
		return err
	}
	for _, dgst := range blobs {
		// Whoever reviews the blob now, and still sees this reference, must not
		// forget the review that is asked for here.
		if err := tx.lockBytes(ctx, digest.Digest(dgst)); err != nil {
			return err
		}
		if err := tx.Review(ctx, repoID, digest.Digest(dgst), tx.tx.Now.Add(grace)); err != nil {
			return err
		}
		tx.usage.Needed(repoID, digest.Digest(dgst), -1)
	}
	_, err = tx.q.Exec(ctx, "DELETE FROM manifest_refs WHERE repository_id = $1 AND manifest = $2", repoID,
		manifest.String())
	return db.Unavailable(err)
}
