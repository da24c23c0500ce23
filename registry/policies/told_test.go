package policies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/quota"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// TestWebhooksHearOfScansAndQuotas ends scans in each way, and refuses pushes.
func TestWebhooksHearOfScansAndQuotas(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		update := func(do func(ctx context.Context, tx *metadata.Tx) error) {
			t.Helper()
			if err := db.Update(t.Context(), do); err != nil {
				t.Fatal(err)
			}
		}
		update(func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{Name: "ada"})
			return err
		})
		hooks := webhook.New(webhook.Config{DB: db})
		hook, err := hooks.Create(t.Context(), auth.Operator(), "team", webhook.Spec{Name: new("n"), URL: new("https://a.example.com/")})
		if err != nil {
			t.Fatal(err)
		}
		update(func(ctx context.Context, tx *metadata.Tx) error {
			for _, j := range []jobs.Job{
				{State: jobs.Done, Note: "3 vulnerabilities", Args: json.RawMessage(`{"repository":"team/app","digest":"sha256:ab"}`)},
				{State: jobs.Failed, Error: "no layer", Args: json.RawMessage(`{"repository":"team/app","digest":"sha256:ab"}`)},
				{State: jobs.Stopped, Args: json.RawMessage(`{"repository":"team/app","digest":"sha256:ab"}`)},
				{State: jobs.Failed, Args: json.RawMessage(`null`)}, // of nothing
			} {
				if err := scanEnded(ctx, tx, j); err != nil {
					return err
				}
			}
			return nil
		})
		refusals := webhook.NewRefusals(db)
		full := &distribution.QuotaError{Project: "team", Limit: 10, Used: 10}
		for _, err := range []error{
			errdefs.Errorf(errdefs.ErrExhausted, "another disk is full"), fmt.Errorf("blob: %w", full), full, // the last within the minute
		} {
			if err := refusals.Tell(t.Context(), err); err != nil {
				t.Fatal(err)
			}
		}
		heard, _, err := hooks.Deliveries(t.Context(), auth.Operator(), "team", hook.ID, jobs.Query{N: 10})
		if err != nil {
			t.Fatal(err)
		}
		want := []payload.Type{payload.QuotaExceed, payload.ScanningStopped, payload.ScanningFailed, payload.ScanningCompleted}
		if len(heard) != len(want) {
			t.Fatalf("heard %d times", len(heard))
		}
		for i, j := range heard {
			if got := webhook.EventOf(j); got != want[i] {
				t.Errorf("heard %s, want %s", got, want[i])
			}
		}
	})
}

// TestWebhooksHearOfProjectsThatFill pushes until a project is near its quota, which is told
// once, with the push that brought it there.
func TestWebhooksHearOfProjectsThatFill(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, time.Now)
		db.OnNear(webhook.NearQuota)
		ctx := auth.WithCaller(t.Context(), auth.Caller{Name: "ada"})
		pushes := 0
		push := func() error {
			pushes++
			return db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				id, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{Name: "ada"})
				var m metadata.Manifest
				m.Descriptor.Digest, m.Descriptor.Size = digest.FromString(fmt.Sprint(pushes)), 100
				return errors.Join(err, tx.AddBytes(ctx, m.Descriptor.Digest, 100), tx.AddManifest(ctx, id, m, "ada"))
			})
		}
		hooks := webhook.New(webhook.Config{DB: db})
		heard := func(hook int64) (events []string) {
			t.Helper()
			list, _, err := hooks.Deliveries(t.Context(), auth.Operator(), "team", hook, jobs.Query{N: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range list {
				events = append(events, string(webhook.EventOf(j))+" "+string(j.Args))
			}
			return events
		}
		if err := push(); err != nil { // makes the project
			t.Fatal(err)
		}
		hook, err := hooks.Create(t.Context(), auth.Operator(), "team", webhook.Spec{
			Name: new("n"), URL: new("https://a.example.com/"), Events: &[]payload.Type{payload.QuotaWarning},
		})
		if err != nil {
			t.Fatal(err)
		}
		limit := int64(1000)
		if err := quota.New(db, auth.Judge{}).Limit(t.Context(), auth.Operator(), "team", &limit); err != nil {
			t.Fatal(err)
		}
		for pushes < 8 {
			if err := push(); err != nil {
				t.Fatal(err)
			}
		}
		if got := heard(hook.ID); len(got) != 0 {
			t.Errorf("at 80 %% webhooks hear %q", got)
		}
		for pushes < 10 {
			if err := push(); err != nil {
				t.Fatal(err)
			}
		}
		var full *distribution.QuotaError
		if err := push(); !errors.As(err, &full) {
			t.Errorf("a push beyond the quota: %v", err)
		}
		got := heard(hook.ID)
		if len(got) != 1 || !strings.HasPrefix(got[0], "QUOTA_WARNING ") || !strings.Contains(got[0], "uses 900B of its quota of 1000B") ||
			!strings.Contains(got[0], `"ada"`) {
			t.Errorf("webhooks hear %q", got)
		}
	})
}
