package metadata

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/registry/db"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestQueriesUseIndexes explains the statements of requests and of the
// collector: none may read a whole table.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	m, err := Open(t.Context(), Config{DSN: filepath.Join(t.TempDir(), "plan.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	dgst, at := digest.FromString("x"), time.Now()
	ask := func(ctx context.Context, q Queries) {
		// The answers are empty; what counts is that the statements were run.
		_, _ = q.Project(ctx, "p")
		_, _ = q.Projects(ctx, "", 10)
		_, _ = q.Repository(ctx, "p/r")
		_, _ = q.Repositories(ctx, Viewer{UserID: 1}, "", 10)
		_, _ = q.Blob(ctx, "p/r", dgst)
		_, _ = q.BlobRepositories(ctx, dgst, 10)
		_, _ = q.Stored(ctx, "", 10)
		_, _ = q.Holders(ctx, dgst, 10)
		_, _ = q.Upload(ctx, "p/r", "id")
		_, _ = q.ExpiredUploads(ctx, at, 10)
		_, _ = q.OpenUploads(ctx, "u")
		_, _ = q.ManifestByDigest(ctx, "p/r", dgst)
		_, _ = q.ManifestByTag(ctx, "p/r", "tag")
		_, _, _ = q.Referrers(ctx, "p/r", ReferrersQuery{Subject: dgst, ArtifactType: "type", N: 1})
		_, _, _ = q.Referrers(ctx, "p/r", ReferrersQuery{Subject: dgst, N: 1})
		_, _ = q.Tags(ctx, 1, "", 10)
		_, _ = q.DueReviews(ctx, at, 10)
		_, _ = q.Owned(ctx, dgst)
		_, _ = q.UserByName(ctx, "u")
		_, _ = q.Users(ctx, "", 10)
		_, _ = q.Standing(ctx, "p", 1)
	}
	ask(t.Context(), m.Queries)
	err = m.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		id, err := tx.EnsureRepository(ctx, "p/r", Creator{})
		if err != nil {
			return err
		}
		doc := Manifest{}
		doc.Descriptor.Digest, doc.Blobs = digest.FromString("m"), []ocispec.Descriptor{{Digest: dgst, Size: 1}}
		for _, step := range []func() error{
			func() error { return tx.StartUpload(ctx, id, "id", "", at) },
			func() error { return tx.EndUpload(ctx, "id") },
			func() error { return tx.AddBytes(ctx, dgst, 1) },
			func() error { return tx.AddBlob(ctx, id, dgst, at) },
			func() error { return tx.AddBytes(ctx, doc.Descriptor.Digest, 1) },
			func() error { _, err := tx.Pin(ctx, id, doc.Needs()); return err },
			func() error { return tx.AddManifest(ctx, id, doc, "") },
			func() error { return tx.SetTag(ctx, id, "tag", doc.Descriptor.Digest, "") },
			func() error { return tx.RemoveManifest(ctx, id, doc.Descriptor.Digest, "", 0) },
			func() error { _, err := tx.ReviewMemberships(ctx, []Due{{RepositoryID: id, Digest: dgst}}); return err },
			func() error { _, _, err := tx.MarkDeleting(ctx, []digest.Digest{dgst}); return err },
			func() error { return tx.DropBytes(ctx, []digest.Digest{dgst}) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, stmt := range m.db.Statements() {
		if !strings.HasPrefix(stmt, "SELECT") && !strings.HasPrefix(stmt, "DELETE") && !strings.HasPrefix(stmt, "UPDATE") {
			continue
		}
		checked++
		for _, step := range explain(t, m, stmt) {
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "USING") && step != "SCAN CONSTANT ROW" {
				t.Errorf("%s\n  %s", stmt, step)
			}
		}
	}
	if checked < 35 {
		t.Errorf("only %d statements were looked at", checked)
	}
}

// TestWhatNamesAnArtifact finds its tags, and the manifests that need it, by the artifact, in
// whichever order they are asked for: the index of names, which has the order, leads through
// all tags of a repository, and that of manifests through all that it has.
func TestWhatNamesAnArtifact(t *testing.T) {
	t.Parallel()
	m, err := Open(t.Context(), Config{DSN: filepath.Join(t.TempDir(), "plan.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, stmt := range []string{
		"SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3",
		`SELECT t.name FROM repositories r JOIN tags t ON t.repository_id = r.id AND t.digest = $2
			WHERE r.name = $1 ORDER BY t.name LIMIT $3`,
		`SELECT f.manifest FROM repositories r
			JOIN manifest_refs f ON f.repository_id = r.id AND f.digest = $2 AND f.is_manifest = 1
			WHERE r.name = $1 ORDER BY f.manifest LIMIT $3`,
		`SELECT f.manifest FROM repositories r JOIN manifest_refs f ON f.repository_id = r.id AND f.digest = $2
			WHERE r.name = $1 ORDER BY f.manifest LIMIT $3`,
	} {
		if steps := strings.Join(explain(t, m, stmt), "\n"); !strings.Contains(steps, "(repository_id=? AND digest=?)") {
			t.Errorf("%s\n%s", stmt, steps)
		}
	}
}

func explain(t *testing.T, m *DB, stmt string) []string {
	t.Helper()
	n := 0
	for strings.Contains(stmt, fmt.Sprint("$", n+1)) {
		n++
	}
	args := make([]any, n) // the planner looks at none
	for i := range args {
		args[i] = 0
	}
	steps, err := db.All(t.Context(), m.q, func(s db.Scanner) (detail string, err error) {
		var id, parent, unused int
		err = s.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}, "EXPLAIN QUERY PLAN "+stmt, args...)
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
	return steps
}
