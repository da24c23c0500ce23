package usage_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/usage"
)

func update(t *testing.T, db *metadata.DB, fn func(ctx context.Context, tx *metadata.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func layer(text string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))}
}

// push records a manifest of 100 bytes that needs these layers.
func push(ctx context.Context, tx *metadata.Tx, repo, name string, layers ...ocispec.Descriptor) error {
	id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
	for _, d := range layers {
		if err == nil {
			err = errors.Join(tx.AddBytes(ctx, d.Digest, d.Size), tx.AddBlob(ctx, id, d.Digest, tx.Now()))
		}
	}
	if err != nil {
		return err
	}
	m := metadata.Manifest{Blobs: layers}
	m.Descriptor.Digest, m.Descriptor.Size = digest.FromString(name), 100
	return errors.Join(tx.AddBytes(ctx, m.Descriptor.Digest, 100), tx.AddManifest(ctx, id, m, ""))
}

func sums(t *testing.T, db *metadata.DB, project string) (used, waiting int64) {
	t.Helper()
	p, err := db.Project(t.Context(), project)
	if err == nil {
		err = db.Querier().Row(t.Context(), "SELECT used, waiting FROM project_usage WHERE project_id = $1", p.ID).Scan(&used, &waiting)
	}
	if err != nil {
		t.Fatal(err)
	}
	return used, waiting
}

// fill pushes to two projects, two images of which share a layer.
func fill(ctx context.Context, tx *metadata.Tx) error {
	return errors.Join(
		push(ctx, tx, "team/a", "one", layer("shared"), layer("first layer")),
		push(ctx, tx, "team/b", "two", layer("shared"), layer("2nd")),
		push(ctx, tx, "other/a", "one", layer("shared")),
	)
}

// TestDifferencesAreFoundAndMended undoes what keeps the sums, as a release before
// would that knows nothing of them.
func TestDifferencesAreFoundAndMended(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		update(t, db, fill)
		p, err := db.Project(t.Context(), "team")
		if err != nil {
			t.Fatal(err)
		}
		for what, stmt := range map[string]string{
			"a row too few":  "DELETE FROM project_blobs WHERE project_id = $1 AND size = 3",
			"a wrong count":  "UPDATE project_blobs SET members = members + 1 WHERE project_id = $1",
			"none at all":    "DELETE FROM project_blobs WHERE project_id = $1",
			"a wrong sum":    "UPDATE project_usage SET used = used - 1, waiting = 4 WHERE project_id = $1",
			"no sum":         "DELETE FROM project_usage WHERE project_id = $1",
			"a row too many": "INSERT INTO project_blobs (project_id, digest, size, members, needs, counted) VALUES ($1, 'sha256:x', 9, 1, 0, 1)",
			"needed no more": "UPDATE project_blobs SET needs = needs + 1 WHERE project_id = $1",
		} {
			var found, again usage.Recounted
			update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
				_, err := tx.Tx.Exec(ctx, stmt, p.ID)
				return err
			})
			before, err := usage.Recount(t.Context(), db.Querier(), p.ID)
			update(t, db, func(ctx context.Context, tx *metadata.Tx) (err error) {
				found, err = usage.Mend(ctx, tx.Tx, p.ID)
				return err
			})
			if err == nil {
				again, err = usage.Recount(t.Context(), db.Querier(), p.ID)
			}
			if err != nil || before.Equal() || found.Equal() || !again.Equal() {
				t.Errorf("%s: %+v, mending %+v, then %+v: %v", what, before, found, again, err)
			}
			if used, waiting := sums(t, db, "team"); used != 220 || waiting != 0 {
				t.Errorf("%s: %d used, %d wait", what, used, waiting)
			}
		}
	})
}

// TestMigrationFillsTheSums takes the tables away and has the migration make them of
// what is there.
func TestMigrationFillsTheSums(t *testing.T) {
	t.Parallel()
	again := func(t *testing.T, dsn string) {
		open := func() *metadata.DB {
			db, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		db := open()
		update(t, db, fill)
		update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
			id, err := tx.EnsureRepository(ctx, "team/a", metadata.Creator{})
			if err != nil {
				return err
			}
			d := layer("waits")
			return errors.Join(tx.AddBytes(ctx, d.Digest, d.Size), tx.AddBlob(ctx, id, d.Digest, tx.Now()))
		})
		schema, err := metadata.OpenSchema(dsn)
		if err == nil {
			err = errors.Join(db.Close(), schema.To(t.Context(), 18), schema.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		db = open()
		defer db.Close()
		for project, want := range map[string][2]int64{"team": {220, 5}, "other": {106, 0}} {
			if used, waiting := sums(t, db, project); used != want[0] || waiting != want[1] {
				t.Errorf("%s: %d used, %d wait; want %v", project, used, waiting, want)
			}
			p, err := db.Project(t.Context(), project)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := usage.Recount(t.Context(), db.Querier(), p.ID); err != nil || !r.Equal() {
				t.Errorf("%s: %+v %v", project, r, err)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		again(t, filepath.Join(metadatatest.Dir(t), "test.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		again(t, metadatatest.Postgres(t).New(t))
	})
}

// TestLimits sets those of one project and of all.
func TestLimits(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, time.Now)
	update(t, db, fill)
	p, err := db.Project(t.Context(), "team")
	if err != nil {
		t.Fatal(err)
	}
	set := func(project, bytes int64) {
		update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
			return usage.SetLimit(ctx, tx.Tx, project, &bytes)
		})
	}
	try := func(name string) error {
		return db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			return push(ctx, tx, "team/c", name, layer("shared"))
		})
	}
	if n, err := usage.DefaultLimit(t.Context(), db.Querier()); err != nil || n != usage.Unlimited {
		t.Errorf("without a default: %d %v", n, err)
	}
	set(0, 300)
	var full *distribution.QuotaError
	if err := try("three"); !errors.As(err, &full) || !errors.Is(err, errdefs.ErrExhausted) ||
		*full != (distribution.QuotaError{Project: "team", Limit: 300, Used: 220, More: 100}) {
		t.Errorf("with the default: %+v", err)
	}
	set(p.ID, 400)
	if err := try("three"); err != nil {
		t.Errorf("with one of its own: %v", err)
	}
	if err := try("four"); !errors.As(err, &full) || full.Limit != 400 || full.Used != 320 {
		t.Errorf("beyond one of its own: %v", err)
	}
	set(p.ID, usage.Unlimited)
	if err := try("four"); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	update(t, db, func(ctx context.Context, tx *metadata.Tx) error { return usage.SetLimit(ctx, tx.Tx, p.ID, nil) })
	if err := try("five"); !errors.As(err, &full) || full.Limit != 300 || full.Used != 420 {
		t.Errorf("as all again: %v", err)
	}
}
