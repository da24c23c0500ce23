package uploads_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/errcode"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/uploads"
)

// TestOpenUploadsOfAnAccount: an account has its share on both databases, another one its own,
// the registry itself any number, and what is ended makes room.
func TestOpenUploadsOfAnAccount(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		start := func(account, id string) error {
			ctx := auth.WithCaller(t.Context(), auth.Caller{Name: account})
			_, err := uploads.Limited(recording{distributiontest.NewMemory(memstore.New(time.Now)), db, id}, db, func() int { return 2 }).StartUpload(ctx, "p/r")
			return err
		}
		for _, row := range []struct {
			account, id string
			refused     bool
		}{
			{"ann", "1", false},
			{"ann", "2", false},
			{"ann", "3", true},
			{"bob", "4", false},
			{"", "5", false},
			{"", "6", false},
			{"", "7", false},
		} {
			err := start(row.account, row.id)
			var e *errcode.Error
			if refused := errors.As(err, &e) && e.Status == http.StatusTooManyRequests && e.RetryAfter > 0; refused != row.refused || (err != nil) != row.refused {
				t.Errorf("%+v: %v", row, err)
			}
		}
		err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.EndUpload(ctx, "1") })
		if err != nil {
			t.Fatal(err)
		}
		if err := start("ann", "8"); err != nil {
			t.Errorf("with room again: %v", err)
		}
	})
}

// recording has the row of an upload, as the registry's own store has.
type recording struct {
	distribution.Registry
	db *metadata.DB
	id string
}

func (r recording) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	return nil, r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		if err != nil {
			return err
		}
		return tx.StartUpload(ctx, id, r.id, auth.CallerOf(ctx).Name, time.Now().Add(time.Hour))
	})
}
