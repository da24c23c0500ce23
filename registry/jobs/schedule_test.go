package jobs_test

import (
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/jobs"
)

func TestNextTime(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tc := range []struct{ cron, zone, now, want string }{
		{"30 3 * * *", "", "2026-01-01T03:29:59Z", "2026-01-01T03:30:00Z"},
		{"30 3 * * *", "", "2026-01-01T03:30:00Z", "2026-01-02T03:30:00Z"},
		{"0 30 3 * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T03:30:00Z"}, // with seconds, as Harbor has it
		{"30 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T02:30:00Z"},
		{"30 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T01:30:00Z"}, // summer time
		{"@weekly", "Asia/Shanghai", "2026-01-01T00:00:00Z", "2026-01-03T16:00:00Z"},
		{"0 0 29 2 *", "", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"@every 90m", "", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"},
	} {
		got, err := jobs.NextTime(tc.cron, tc.zone, at(tc.now))
		if err != nil || !got.Equal(at(tc.want)) {
			t.Errorf("%s in %q after %s: %v %v, want %s", tc.cron, tc.zone, tc.now, got, err, tc.want)
		}
	}
	for _, tc := range []struct{ cron, zone string }{
		{"", ""},
		{"every night", ""},
		{"61 * * * *", ""},
		{"* * * * * *", ""}, // every second
		{"@every 10s", ""},
		{"0 0 31 2 *", ""},
		{"TZ=UTC 0 0 * * *", ""},
		{"0 0 * * *", "Mars/Olympus"},
		{"0 0 * * *", "Local"},
	} {
		if got, err := jobs.NextTime(tc.cron, tc.zone, at("2026-01-01T00:00:00Z")); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q in %q: %v %v", tc.cron, tc.zone, got, err)
		}
	}
}
