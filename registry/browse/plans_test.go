package browse_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestTagsOfALargeRepository: PostgreSQL has one plan for all repositories once a connection has
// shown five pages, and most repositories are small. By that plan, too, a page of a large one
// reads no more than it shows.
func TestTagsOfALargeRepository(t *testing.T) {
	t.Parallel()
	const large, small, most = 2000, 300, 500
	postgres := metadatatest.Postgres(t)
	dsn := postgres.New(t)
	fill, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	err = fill.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for i := range large + small {
			repo, tag := "p/large", fmt.Sprintf("v%04d", i)
			if i >= large {
				repo = fmt.Sprint("p/small", i)
			}
			id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
			dgst := digest.FromString(repo + tag)
			if err == nil {
				err = tx.AddBytes(ctx, dgst, 500)
			}
			if err == nil {
				err = tx.AddManifest(ctx, id, metadata.Manifest{
					Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst, Size: 500},
				}, "ci")
			}
			if err == nil {
				err = tx.SetTag(ctx, id, tag, dgst, "ci")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = fill.Querier().Exec(t.Context(), "VACUUM ANALYZE")
	}
	if err == nil {
		err = fill.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	postgres.Explains(t, dsn, [2]string{"plan_cache_mode", "force_generic_plan"})
	m, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, mark := browse.New(m, nil, auth.Judge{}), postgres.Mark()
	for _, order := range []browse.Order{browse.Newest, browse.ByName} {
		page, more, err := b.Tags(t.Context(), auth.Operator(), "p/large", browse.TagQuery{Query: browse.Query{N: 50}, Order: order})
		if err != nil || len(page) != 50 || !more {
			t.Fatalf("%d tags, more %t: %v", len(page), more, err)
		}
	}
	time.Sleep(100 * time.Millisecond) // what the server still tells
	all := postgres.Since(t, mark)
	if len(all) < 3 {
		t.Fatalf("only %d statements were told of", len(all))
	}
	for _, a := range all {
		if a.Most > most {
			t.Errorf("reads %d rows in one step: %s%s", a.Most, a.Statement, a.Plan)
		}
	}
}
