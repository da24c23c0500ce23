package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

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
