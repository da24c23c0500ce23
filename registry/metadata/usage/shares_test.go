package usage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/usage"
)

// held are the digests of each repository, by its id, with their sizes, as two tables say.
func held(t *testing.T, m *metadata.DB) (sizes map[int64]map[digest.Digest]int64, projects map[int64]int64) {
	t.Helper()
	sizes, projects = map[int64]map[digest.Digest]int64{}, map[int64]int64{}
	type row struct {
		repository, project, size int64
		digest                    digest.Digest
	}
	rows, err := db.All(t.Context(), m.Querier(), func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.repository, &r.project, &r.digest, &r.size)
	}, `SELECT r.id, r.project_id, b.digest, b.size FROM repositories r
		JOIN repository_blobs c ON c.repository_id = r.id JOIN blobs b ON b.digest = c.digest
		UNION ALL SELECT r.id, r.project_id, b.digest, b.size FROM repositories r
		JOIN manifests m ON m.repository_id = r.id JOIN blobs b ON b.digest = m.digest`)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if sizes[r.repository] == nil {
			sizes[r.repository] = map[digest.Digest]int64{}
		}
		sizes[r.repository][r.digest], projects[r.repository] = r.size, r.project
	}
	return sizes, projects
}

// naive counts what each repository holds from nothing but that.
func naive(sizes map[int64]map[digest.Digest]int64, projects map[int64]int64) map[int64]usage.Share {
	all := map[int64]usage.Share{}
	for repo, has := range sizes {
		var s usage.Share
		for dgst, size := range has {
			everywhere, here := 0, 0
			for other, theirs := range sizes {
				if _, ok := theirs[dgst]; ok && other != repo {
					everywhere++
					if projects[other] == projects[repo] {
						here++
					}
				}
			}
			s.Held += size
			if everywhere == 0 {
				s.Alone += size
			}
			if here == 0 {
				s.Counted += size
			}
		}
		all[repo] = s
	}
	return all
}

// change is one random change of a registry: a blob that comes or goes, a manifest that
// comes, goes or comes back, or a digest that is both.
func change(ctx context.Context, tx *metadata.Tx, r *rand.Rand) error {
	repo := fmt.Sprintf("p%d/r%d", r.IntN(3), r.IntN(3))
	id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
	if err != nil {
		return err
	}
	l := layer(fmt.Sprintf("layer %0*d", 1+r.IntN(2), r.IntN(6)))
	switch r.IntN(4) {
	case 0:
		err = errors.Join(tx.AddBytes(ctx, l.Digest, l.Size), tx.AddBlob(ctx, id, l.Digest, tx.Now()))
	case 1:
		err = tx.RemoveBlob(ctx, id, l.Digest)
	case 2:
		err = push(ctx, tx, repo, fmt.Sprint("manifest ", r.IntN(6)), l)
		if r.IntN(3) == 0 { // its bytes are pushed as a blob too
			dgst := digest.FromString(fmt.Sprint("manifest ", r.IntN(6)))
			err = errors.Join(err, tx.AddBytes(ctx, dgst, 100), tx.AddBlob(ctx, id, dgst, tx.Now()))
		}
	case 3:
		err = tx.RemoveManifest(ctx, id, digest.FromString(fmt.Sprint("manifest ", r.IntN(6))), "", 0)
	}
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrConflict) {
		return nil // it was not there, or is needed
	}
	return err
}

// TestSharesAreExact compares what is kept of repositories with a recount from nothing,
// after changes in three projects by several at once.
func TestSharesAreExact(t *testing.T) {
	t.Parallel()
	const rounds, clients, changes = 6, 4, 15
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m, seed := open(t, time.Now), rand.Uint64()
		t.Logf("seed %d", seed)
		for round := range rounds {
			var all sync.WaitGroup
			for client := range clients {
				all.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(round*clients+client)))
					for range changes {
						n := 1 + r.IntN(3)
						err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) (err error) {
							for range n {
								err = errors.Join(err, change(ctx, tx, r))
							}
							return err
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			exact(t, m)
		}
		t.Logf("%d transactions", rounds*clients*changes)
	})
}

// exact wants what is kept to be what a naive recount finds, and the nightly one to agree.
func exact(t *testing.T, m *metadata.DB) {
	t.Helper()
	sizes, projects := held(t, m)
	for repo, want := range naive(sizes, projects) {
		if got, err := usage.OfRepository(t.Context(), m.Querier(), repo); err != nil || got != want {
			t.Errorf("repository %d: %+v %v, want %+v", repo, got, err, want)
		}
	}
	kept, err := db.All(t.Context(), m.Querier(), func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		"SELECT repository_id FROM repository_usage WHERE held <> 0 OR alone <> 0 OR counted <> 0")
	if err != nil || len(kept) != len(sizes) {
		t.Errorf("%d repositories hold something, %d by what is kept: %v", len(sizes), len(kept), err)
	}
	recounted(t, m)
}

func recounted(t *testing.T, m *metadata.DB) {
	t.Helper()
	projects, err := m.Projects(t.Context(), "", 100)
	if err != nil || len(projects) == 0 {
		t.Fatal(projects, err)
	}
	for _, p := range projects {
		if r, err := usage.Recount(t.Context(), m.Querier(), p.ID); err != nil || !r.Equal() {
			t.Errorf("%s: %+v %v", p.Name, r, err)
		}
	}
}

// TestMigrationFillsTheShares goes back to before them, as a rollback does, changes what is
// there, and comes again.
func TestMigrationFillsTheShares(t *testing.T) {
	t.Parallel()
	again := func(t *testing.T, dsn string) {
		open := func() *metadata.DB {
			m, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		m, r := open(), rand.New(rand.NewPCG(1, 2))
		for range 100 {
			update(t, m, func(ctx context.Context, tx *metadata.Tx) error { return change(ctx, tx, r) })
		}
		exact(t, m)
		schema, err := metadata.OpenSchema(dsn)
		if err == nil {
			err = errors.Join(m.Close(), schema.To(t.Context(), 27), schema.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		m = open()
		exact(t, m)
		for range 50 {
			update(t, m, func(ctx context.Context, tx *metadata.Tx) error { return change(ctx, tx, r) })
		}
		exact(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
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

// TestSharesAreMended has each kind of wrong row found by the recount, and mended.
func TestSharesAreMended(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		update(t, m, fill)
		p, err := m.Project(t.Context(), "team")
		if err != nil {
			t.Fatal(err)
		}
		for what, stmt := range map[string]string{
			"no sums":           "DELETE FROM repository_usage WHERE project_id = $1",
			"a wrong sum":       "UPDATE repository_usage SET alone = alone + 1 WHERE project_id = $1",
			"another wrong sum": "UPDATE repository_usage SET counted = 0, held = 7 WHERE project_id = $1",
			"no holders":        "DELETE FROM digest_holders WHERE project_id IN (0, $1)",
			"none of all":       "DELETE FROM digest_holders WHERE project_id = 0 AND CAST($1 AS BIGINT) = $1",
			"one too many":      "UPDATE digest_holders SET repositories = repositories + 1 WHERE project_id IN (0, $1)",
			"another holder":    "UPDATE digest_holders SET who = who - 1 WHERE project_id = $1",
		} {
			update(t, m, func(ctx context.Context, tx *metadata.Tx) error {
				_, err := tx.Tx.Exec(ctx, stmt, p.ID)
				return err
			})
			before, err := usage.Recount(t.Context(), m.Querier(), p.ID)
			if err != nil || before.Equal() {
				t.Errorf("%s: %+v %v", what, before, err)
			}
			update(t, m, func(ctx context.Context, tx *metadata.Tx) error {
				_, err := usage.Mend(ctx, tx.Tx, p.ID)
				return err
			})
			exact(t, m)
		}
	})
}

// TestSharesUseIndexes has both databases explain every statement of a push, a delete, a
// recount and of what pages ask.
func TestSharesUseIndexes(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		update(t, m, fill)
		p, err := m.Project(t.Context(), "team")
		if err != nil {
			t.Fatal(err)
		}
		n := metadatatest.Planned(t, m, func(ctx context.Context, tx *metadata.Tx) error {
			id, err := tx.Repository(ctx, "team/a")
			if err != nil {
				return err
			}
			var c usage.Changes
			c.Pushed(id, layer("shared").Digest, true)
			c.Manifest(id, digest.FromString("two"), 1)
			_, of := usage.OfRepository(ctx, tx.Tx, id)
			_, largest := usage.LargestRepositories(ctx, tx.Tx, p.ID, 10)
			_, counted := usage.Recount(ctx, tx.Tx, p.ID)
			_, some := usage.OfManifests(ctx, tx.Tx, id, []digest.Digest{digest.FromString("one")})
			return errors.Join(c.Apply(ctx, tx.Tx), of, largest, counted, some)
		})
		if n < 15 {
			t.Errorf("only %d statements were explained", n)
		}
	})
}
