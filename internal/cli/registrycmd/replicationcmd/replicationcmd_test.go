package replicationcmd

import (
	"strings"
	"testing"
	"time"

	"cove/registry/api/upstreams"
	"cove/registry/replication"
	"cove/registry/selector"
)

// TestWhen: what begins the runs of a rule, as lists say it.
func TestWhen(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]replication.Rule{
		"when asked to":                     {Enabled: true},
		"disabled":                          {Options: replication.Options{OnEvent: true, Schedule: "@daily"}},
		"on event":                          {Enabled: true, Options: replication.Options{OnEvent: true}},
		"@daily":                            {Enabled: true, Options: replication.Options{Schedule: "@daily"}},
		"on event, 0 3 * * * Europe/Berlin": {Enabled: true, Options: replication.Options{OnEvent: true, Schedule: "0 3 * * *", Zone: "Europe/Berlin"}},
	} {
		if got := when(upstreams.RuleOf(r)); got != want {
			t.Errorf("%+v: %q, want %q", r.Options, got, want)
		}
	}
}

// TestSummary: how far a run is, in a line.
func TestSummary(t *testing.T) {
	t.Parallel()
	r := replication.Run{Bytes: 2_500_000, Counts: map[replication.State]int64{
		replication.Copied: 3, replication.Unchanged: 40, replication.Deleted: 1, replication.Kept: 2, replication.Skipped: 5,
		replication.Failed: 1, replication.Waiting: 7,
	}}
	const want = "3 copied, 40 unchanged, 1 deleted, 7 left, 1 failed, 7 to do, 2.5MB sent"
	if got := summary(upstreams.RunOf(r)); got != want || r.Total() != 59 {
		t.Errorf("%q of %d, want %q", got, r.Total(), want)
	}
}

// TestDescribe: a rule, line by line; what it does not say has none.
func TestDescribe(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		rule replication.Rule
		want string
	}{
		"little": {
			replication.Rule{
				Name: "all", Endpoint: "far", Enabled: true, By: "admin", At: at,
				Options: replication.Options{Direction: replication.Push, Override: true},
			},
			`rule:            all
direction:       push far
repositories:    **
tags:            **
names:           as they are
existing tags:   are moved
deletions:       are not copied
rate:            without a limit
runs:            when asked to
added:           2026-03-01 12:00:00 UTC by admin
`,
		},
		"much": {
			replication.Rule{
				Name: "base", Endpoint: "hub", Enabled: true, By: "ann", At: at, Next: at.Add(time.Hour),
				Options: replication.Options{
					Direction: replication.Pull, Namespace: "base", Flatten: 2, Delete: true, Schedule: "@daily", Rate: 10_000_000,
					Filter: selector.Selector{Repositories: "library/**", Tags: "*-rc*", ExceptTags: true},
					Labels: []string{"a=b", "c"}, MediaTypes: []string{"x/*"},
				},
			},
			`rule:            base
direction:       pull hub
repositories:    library/**
tags:            except *-rc*
labels:          a=b, c
media types:     x/*
names:           a/b/c becomes base/c
existing tags:   stay
deletions:       are copied
rate:            10MB a second
runs:            @daily
next:            2026-03-01 13:00:00 UTC
added:           2026-03-01 12:00:00 UTC by ann
`,
		},
	} {
		var out strings.Builder
		if err := describe(&out, upstreams.RuleOf(tc.rule)); err != nil || out.String() != tc.want {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}
