package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// shelf is a registry that has one manifest.
type shelf struct{ distribution.Registry }

const held = digest.Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

// GetTag implements distribution.TagReader.
func (shelf) GetTag(_ context.Context, _, tag string) (distribution.Manifest, error) {
	if tag != "v1" {
		return distribution.Manifest{}, errdefs.Errorf(errdefs.ErrNotFound, "no such tag")
	}
	return distribution.Manifest{Descriptor: ocispec.Descriptor{Digest: held}}, nil
}

// GetManifest implements distribution.ManifestReader.
func (shelf) GetManifest(context.Context, string, digest.Digest) (distribution.Manifest, error) {
	return distribution.Manifest{Descriptor: ocispec.Descriptor{Digest: held}}, nil
}

// TestPullsAreTold hears of pulls within the transaction that notes them.
func TestPullsAreTold(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db, at := open(t, time.Now), time.Unix(1700000000, 0)
		r := audit.NewRecorder(db, slog.New(slog.DiscardHandler), func() time.Time { return at })
		var told []audit.Pull
		r.Tell(func(_ context.Context, _ *metadata.Tx, pulls []audit.Pull) error {
			told = append(told, pulls...)
			return nil
		})
		served := r.Pulls(shelf{})
		ctx := auth.WithCaller(t.Context(), auth.Caller{Name: "ann"})
		for _, tag := range []string{"v1", "absent"} {
			_, _ = served.GetTag(ctx, "app", tag)
		}
		if _, err := served.GetManifest(ctx, "team/app", held); err != nil {
			t.Fatal(err)
		}
		r.Refused("guest", "192.0.2.2")
		stopped, stop := context.WithCancel(t.Context())
		stop()
		r.Run(stopped)
		want := []audit.Pull{
			{Repository: "library/app", Tag: "v1", Digest: held, Actor: "ann", At: at}, {Repository: "team/app", Digest: held, Actor: "ann", At: at},
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %+v", told)
		}
		page, err := audit.New(db, auth.Judge{}).Newest(t.Context(), auth.Operator(), 9)
		if err != nil || len(page) != 3 || page[1].Object != "team/app@"+held.String() || page[2].Object != "library/app:v1" {
			t.Errorf("the log has %+v, %v", page, err)
		}
	})
}

// TestWhatChangesNothingIsNoted records sign-ins and refusals beside changes, pages
// through both, and forgets them by age.
func TestWhatChangesNothingIsNoted(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		r := audit.NewRecorder(db, slog.New(slog.DiscardHandler), time.Now)
		var user metadata.User
		if err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) (err error) {
			user, err = tx.AddAccount(ctx, metadata.User{Name: "ann", Kind: "user"})
			if err != nil {
				return err
			}
			return audit.Record(ctx, tx, auth.Operator(), audit.Change{Action: "user.add", Object: "ann"})
		}); err != nil {
			t.Fatal(err)
		}
		ann := auth.Caller{UserID: user.ID, Name: "ann"}
		for range 5 {
			r.SignedIn(ann, "192.0.2.1") // one line an hour
		}
		for i := range 12 {
			r.Refused(fmt.Sprintf("guess\x00%d\xff", i), "192.0.2.2")
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		r.Run(ctx) // writes the rest
		log := audit.New(db, auth.Judge{})
		seen := map[string]int{}
		for q := (audit.Query{N: 5}); ; {
			page, more, err := log.Page(t.Context(), auth.Operator(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				if q.Before != 0 && e.ID >= q.Before {
					t.Errorf("out of order: %+v", e)
				}
				seen[e.Action]++
				q.Before = e.ID
			}
			if !more {
				break
			}
		}
		if seen["user.add"] != 1 || seen["sign-in"] != 1 || seen["sign-in.refused"] != 12 {
			t.Errorf("the log has %v", seen)
		}
		if u, err := db.UserByName(t.Context(), "ann"); err != nil || u.UsedAt.IsZero() {
			t.Errorf("last use %v, %v", u.UsedAt, err)
		}
		if page, _, err := log.Page(t.Context(), auth.Operator(), audit.Query{N: 9, Action: "sign-in"}); err != nil || len(page) != 1 || page[0].Address != "192.0.2.1" {
			t.Errorf("sign-ins: %v, %v", page, err)
		}
		if n, err := audit.Forget(t.Context(), db, time.Now().Add(time.Hour)); err != nil || n != 12 { // the newest of each table stays
			t.Errorf("forgot %d, %v", n, err)
		}
	})
}
