package quota_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/quota"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"10GiB": 10 << 30, "10GB": 10_000_000_000, "512MiB": 512 << 20, "1500": 1500, "none": -1, "unlimited": -1, "0": 0,
		" 1.5 GiB ": 3 << 29, "2TiB": 2 << 40,
	} {
		got, err := quota.Parse(text)
		if err != nil || got == nil || *got != want {
			t.Errorf("%q: %v %v", text, got, err)
			continue
		}
		if back, err := quota.Parse(quota.Text(*got)); err != nil || *back != want {
			t.Errorf("%q is shown as %q, which is %v %v", text, quota.Text(*got), back, err)
		}
	}
	if got, err := quota.Parse("default"); got != nil || err != nil {
		t.Errorf("default: %v %v", got, err)
	}
	for _, text := range []string{"", "much", "-5", "10 apples", "GiB"} {
		if got, err := quota.Parse(text); err == nil || got != nil {
			t.Errorf("%q: %v", text, *got)
		}
	}
	for _, u := range []struct {
		quota.Usage
		want int64
	}{
		{quota.Usage{Used: 5, Limit: -1}, 0},
		{quota.Usage{Used: 0, Limit: 0}, 100},
		{quota.Usage{Used: 85, Limit: 100}, 85},
		{quota.Usage{Used: 300, Limit: 100}, 300},
	} {
		if got := u.Percent(); got != u.want {
			t.Errorf("%+v: %d", u, got)
		}
	}
}

// blob makes a blob of so many bytes a member of a repository.
func blob(ctx context.Context, tx *metadata.Tx, repo string, size int64) error {
	id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
	dgst := digest.FromString(repo)
	if err == nil {
		err = tx.AddBytes(ctx, dgst, size)
	}
	if err == nil {
		err = tx.AddBlob(ctx, id, dgst, tx.Now())
	}
	return err
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db, ctx, by := open(t, time.Now), t.Context(), auth.Operator()
		q := quota.New(db, auth.Judge{})
		err := db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			return errors.Join(blob(ctx, tx, "big/app", 500), blob(ctx, tx, "small/app", 20))
		})
		limit := func(n int64) *int64 { return &n }
		if err = errors.Join(err, q.Limit(ctx, by, "", limit(1000)), q.Limit(ctx, by, "big", limit(600))); err != nil {
			t.Fatal(err)
		}
		names := func(all []quota.Usage, err error) string {
			var text []string
			for _, u := range all {
				text = append(text, u.Project)
			}
			if err != nil {
				text = append(text, err.Error())
			}
			return strings.Join(text, " ")
		}
		if got := names(q.List(ctx, by, "", 10)); got != "big small" {
			t.Errorf("by name: %s", got)
		}
		if got := names(q.List(ctx, by, "big", 10)); got != "small" {
			t.Errorf("the next page: %s", got)
		}
		if got := names(q.Largest(ctx, by, 1)); got != "big" {
			t.Errorf("the largest: %s", got)
		}
		u, err := q.Of(ctx, by, "big")
		if u.ID = 0; err != nil || u != (quota.Usage{Project: "big", Used: 500, Limit: 600, Own: true}) {
			t.Errorf("big: %+v %v", u, err)
		}
		u, err = q.Of(ctx, by, "small")
		if u.ID = 0; err != nil || u != (quota.Usage{Project: "small", Used: 20, Limit: 1000}) {
			t.Errorf("small: %+v %v", u, err)
		}
		_, err = q.Of(ctx, by, "absent")
		for what, err := range map[string]error{
			"usage": err, "a limit": q.Limit(ctx, by, "absent", limit(1)),
		} {
			if !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("%s of what is not there: %v", what, err)
			}
		}
		if err := q.Limit(ctx, by, "big", limit(-2)); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("an odd limit: %v", err)
		}
		nobody := auth.Caller{}
		_, err = q.Largest(ctx, nobody, 1)
		if err = errors.Join(err, q.Limit(ctx, nobody, "big", nil)); !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("for nobody: %v", err)
		}
		recounts(t, db, q)
	})
}

// recounts finds that all is right, then what is not, and mends it.
func recounts(t *testing.T, db *metadata.DB, q *quota.Quotas) {
	t.Helper()
	ctx, by, work := t.Context(), auth.Operator(), q.Kind().Run
	if note, err := work(ctx, &jobs.Work{}); err != nil || note != "2 projects, all as counted" {
		t.Errorf("the job: %q %v", note, err)
	}
	spoil := func() {
		err := db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.Tx.Exec(ctx, "UPDATE project_usage SET used = used + 7 WHERE used = 500")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	all, err := q.Recount(ctx, by, "", false)
	wrong := slices.DeleteFunc(all, func(r quota.Recount) bool { return r.Equal() })
	if err != nil || len(wrong) != 1 || wrong[0].Project != "big" || wrong[0].Used != -7 || wrong[0].Mended {
		t.Errorf("found %+v %v", wrong, err)
	}
	if _, err := work(ctx, &jobs.Work{}); !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), ": big") {
		t.Errorf("the job on a difference: %v", err)
	}
	spoil()
	all, err = q.Recount(ctx, by, "big", true)
	if err != nil || len(all) != 1 || !all[0].Mended {
		t.Errorf("mended %+v %v", all, err)
	}
	all, err = q.Recount(ctx, by, "big", true)
	if err != nil || !all[0].Equal() || all[0].Mended {
		t.Errorf("again %+v %v", all, err)
	}
}
