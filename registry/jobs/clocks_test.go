package jobs_test

import (
	"testing"
	"time"

	"cove/registry/jobs"
)

// TestClocksChange lists the times of schedules around the hours that clocks skip and show
// twice: what is done at a time of the day is done each day, once, and what is done every
// so often is done as often as before.
func TestClocksChange(t *testing.T) {
	t.Parallel()
	const at = time.RFC3339
	for _, tc := range []struct {
		cron, zone, from string
		want             []string
	}{
		// Clocks go from 2:00 to 3:00.
		{"30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		{"30 2 29 * *", "Europe/Berlin", "2026-03-01T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-04-29T00:30:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		{"0 */2 * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", []string{"2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"}},
		// From 3:00 to 2:00.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}}, // it is 2:10 for the second time
		{"15,45 2 * * *", "Europe/Berlin", "2026-10-25T00:20:00Z", []string{"2026-10-25T00:45:00Z", "2026-10-26T01:15:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		{"@hourly", "Europe/Berlin", "2026-10-25T00:30:00Z", []string{"2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		// Elsewhere they change at midnight, by half an hour, or left out a day.
		{"@daily", "Africa/Cairo", "2026-04-22T23:00:00Z", []string{"2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"}},
		{"10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"}},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", []string{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
		{"0 30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		{"@every 24h", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T12:00:00Z"}},
	} {
		now, _ := time.Parse(at, tc.from)
		for _, want := range tc.want {
			next, err := jobs.NextTime(tc.cron, tc.zone, now)
			if err != nil || next.Format(at) != want {
				t.Errorf("%s in %s after %s: %s %v, want %s", tc.cron, tc.zone, now.Format(at), next.Format(at), err, want)
			}
			now = next
		}
	}
}

// TestNightly takes a nightly schedule through the years of every zone that changes its
// clocks: it has one time on each day.
func TestNightly(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Beirut", "Africa/Casablanca", "Asia/Tehran"} {
		in, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, cron := range []string{"0 0 * * *", "30 0 * * *", "30 1 * * *", "15 2 * * *", "59 23 * * *"} {
			now := time.Date(2018, 12, 31, 23, 59, 30, 0, in)
			for now.Year() < 2027 {
				next, err := jobs.NextTime(cron, zone, now)
				if err != nil {
					t.Fatal(err)
				}
				if d := next.In(in); d.YearDay() != time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, in).YearDay() {
					t.Fatalf("%s in %s: after %s comes %s", cron, zone, now, d)
				}
				now = next.In(in)
			}
		}
	}
}
