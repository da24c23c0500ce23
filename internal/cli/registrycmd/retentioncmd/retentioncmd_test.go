package retentioncmd

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/api/work"
	"cove/registry/retention"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]retention.Rule{
		"always":                {Template: retention.Always},
		"latestPushedK=10":      {Template: retention.LatestPushed, N: 10},
		"nDaysSinceLastPull=90": {Template: retention.DaysPulled, N: 90},
		"":                      {},
		"odd=1":                 {Template: "odd", N: 1},
	} {
		template, n, err := keep(text)
		if err != nil || template != want.Template || n != want.N {
			t.Errorf("%q: %s %d %v", text, template, n, err)
		}
	}
	if _, _, err := keep("always=often"); err == nil {
		t.Error("often is a number")
	}
}

func TestRowsOfAPlan(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dgst := digest.FromString("x")
	row := func(g retention.Gone) string { return strings.Join(gone(work.RetentionGoneOf(g)).Row, "|") }
	for want, g := range map[string]retention.Gone{
		"team/app@" + string(dgst[:19]) + "|a,b|2026-03-01 12:00:00 UTC|-|rule 2: never pulled": {
			Repository: "team/app", Digest: dgst, Tags: []string{"a", "b"}, Pushed: at,
			Misses: []retention.Miss{{Rule: 2, Template: retention.DaysPulled, N: 1, Place: -1}},
		},
		"team/app@" + string(dgst[:19]) + "|-|2026-03-01 12:00:00 UTC|2026-03-01 13:00:00 UTC|no rule speaks of it": {
			Repository: "team/app", Digest: dgst, Pushed: at, Pulled: at.Add(time.Hour),
		},
	} {
		if got := row(g); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	p := work.RetentionPlan{Artifacts: 3, With: 2, Kept: 7, Space: work.Share{Held: 4096, Alone: 1024, Counted: 2048}}
	const want = "3 artifacts would go, and 2 manifests with them; 7 stay. 2KiB stop counting in the project, 1KiB are freed"
	if got := summary(p); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	for want, s := range map[string]work.RetentionSchedule{
		"no schedule": {},
		"schedule 30 3 * * 0 (Europe/Berlin), next 2026-03-01 02:30:00 UTC": {Cron: "30 3 * * 0", Zone: "Europe/Berlin", Next: &next},
		"schedule @daily (UTC)": {Cron: "@daily", Next: &next},
	} {
		if got := schedule(s); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
