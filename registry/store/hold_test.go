package store

import (
	"context"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/hold"
	"cove/registry/metadata/metadatatest"
)

// TestHeldBytesStay deletes a blob while somebody reads everything: its bytes go
// once he has ended.
func TestHeldBytesStay(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open opener) {
		f := newFixture(t, open)
		ctx := admin(t.Context())
		b := []byte("bytes that a backup reads")
		dgst := digest.FromBytes(b)
		up, err := f.StartUpload(ctx, "team/app")
		if err == nil {
			_, err = up.Write(b)
		}
		if err == nil {
			_, err = up.Commit(ctx, dgst)
		}
		if err != nil {
			t.Fatal(err)
		}
		stays := func(want bool) {
			t.Helper()
			if _, err := f.Collect(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := f.store.Stat(ctx, dgst); (err == nil) != want {
				t.Errorf("stored: %v, want %v", err == nil, want)
			}
		}
		f.clock.Advance(24 * time.Hour)
		err = hold.During(ctx, f.db, func(context.Context) error {
			if err := f.DeleteBlob(ctx, "team/app", dgst); err != nil {
				return err
			}
			stays(true)
			stays(true)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(time.Hour)
		stays(false)
	})
}
