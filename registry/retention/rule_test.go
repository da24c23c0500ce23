package retention

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/immutable"
	"cove/registry/selector"
)

// shelf are artifacts a to e, a pushed today and each other a day before; b and e were
// pulled, two and twenty days ago.
func shelf(now time.Time) []*artifact {
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	return []*artifact{
		{digest: "a", tags: []string{"latest", "v5"}, pushed: now},
		{digest: "b", tags: []string{"v4"}, pushed: day(1), pulled: day(2), labels: []string{"stable", "reviewed"}},
		{digest: "c", tags: []string{"v3"}, pushed: day(2), labels: []string{"stable"}},
		{digest: "d", pushed: day(3), labels: []string{"broken"}},
		{digest: "e", tags: []string{"nightly-1"}, pushed: day(30), pulled: day(20)},
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	all := func(template Template, n int) Rule { return Rule{Template: template, N: n, Untagged: true} }
	versions := selector.Selector{Tags: "v*"}
	for _, tc := range []struct {
		name  string
		rules []Rule
		keeps string
	}{
		{"always", []Rule{all(Always, 0)}, "abcde"},
		{"nothing", []Rule{all(Nothing, 0)}, ""},
		{"none of these tags", []Rule{{Template: Always, Selector: versions}}, "abc"},
		{"all tags of a kept artifact stay", []Rule{{Template: Always, Selector: selector.Selector{Tags: "latest"}}}, "a"},
		{"except", []Rule{{Template: Always, Selector: selector.Selector{Tags: "v*", ExceptTags: true}}}, "ae"},
		{"untagged is said", []Rule{{Template: Always}}, "abce"},
		{"pushed last", []Rule{all(LatestPushed, 2)}, "ab"},
		{"pushed last, of some", []Rule{{Template: LatestPushed, N: 2, Selector: versions}}, "ab"},
		{"pulled last", []Rule{all(LatestPulled, 2)}, "be"},
		{"never pulled comes behind, the newest first", []Rule{all(LatestPulled, 3)}, "abe"},
		{"active", []Rule{all(LatestActive, 3)}, "abc"},
		{"pushed within days", []Rule{all(DaysPushed, 2)}, "abc"},
		{"pulled within days", []Rule{all(DaysPulled, 20)}, "be"},
		{"pulled within fewer", []Rule{all(DaysPulled, 19)}, "b"},
		{"either", []Rule{all(LatestPushed, 1), {Template: LatestPulled, N: 1, Selector: selector.Selector{Tags: "nightly-*"}}}, "ae"},
		{"with a label", []Rule{{Template: Always, Labelled: Labelled{Labels: []string{"stable"}}}}, "bc"},
		{"with each of these labels", []Rule{{Template: Always, Labelled: Labelled{Labels: []string{"stable", "review*"}}}}, "b"},
		{"with none of these labels", []Rule{{Template: Always, Labelled: Labelled{Labels: []string{"review*", "broken"}, ExceptLabels: true}, Untagged: true}}, "ace"},
		{"the label of what has no tag", []Rule{{Template: Always, Labelled: Labelled{Labels: []string{"broken"}}}}, ""},
		{"and that is said", []Rule{{Template: Always, Labelled: Labelled{Labels: []string{"broken"}}, Untagged: true}}, "d"},
		{"the newest of those with a label", []Rule{{Template: LatestPushed, N: 1, Labelled: Labelled{Labels: []string{"stable"}}}}, "b"},
		{"of no repository", []Rule{{Template: Always, Selector: selector.Selector{Repositories: "other/**"}}, all(LatestPushed, 1)}, "a"},
	} {
		candidates := shelf(now)
		decision{tc.rules, nil, "app", now}.decide(candidates)
		kept := ""
		for _, a := range candidates {
			if a.kept {
				kept += string(a.digest)
			}
		}
		if kept != tc.keeps {
			t.Errorf("%s: keeps %q, want %q", tc.name, kept, tc.keeps)
		}
	}
}

func TestImmutableTagsAreKept(t *testing.T) {
	t.Parallel()
	now := time.Now()
	candidates := shelf(now)
	fixed := []immutable.Rule{{Selector: selector.Selector{Tags: "v3"}}, {Selector: selector.Selector{Repositories: "x", Tags: "v4"}}}
	decision{[]Rule{{Template: Nothing, Untagged: true}}, fixed, "app", now}.decide(candidates)
	for _, a := range candidates {
		if a.kept != (a.digest == "c") {
			t.Errorf("%s: kept %v", a.digest, a.kept)
		}
	}
}

func TestWhyNot(t *testing.T) {
	t.Parallel()
	now := time.Now()
	candidates := shelf(now)
	decision{[]Rule{
		{Template: LatestPushed, N: 1, Untagged: true},
		{Template: DaysPulled, N: 7, Selector: selector.Selector{Tags: "{v3,nightly-*}"}},
		{Template: DaysPushed, N: 9, Selector: selector.Selector{Tags: "nightly-*"}},
		{Template: Nothing, Untagged: true, Selector: selector.Selector{Tags: "none"}},
	}, nil, "app", now}.decide(candidates)
	for i, want := range []string{
		"", "rule 1: number 2 of latestPushedK, keeps 1",
		"rule 1: number 3 of latestPushedK, keeps 1; rule 2: never pulled",
		"rule 1: number 4 of latestPushedK, keeps 1; rule 4 keeps nothing",
		"rule 1: number 5 of latestPushedK, keeps 1; rule 2: pulled 20 days ago, keeps 7; rule 3: pushed 30 days ago, keeps 9",
	} {
		var told []string
		for _, m := range candidates[i].misses {
			told = append(told, m.String())
		}
		if got := strings.Join(told, "; "); got != want {
			t.Errorf("%s: %q, want %q", candidates[i].digest, got, want)
		}
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, r := range []Rule{
		{},
		{Template: "lastXDays", N: 1},
		{Template: Always, N: 1},
		{Template: LatestPushed},
		{Template: DaysPulled, N: -1},
		{Template: DaysPulled, N: 100_000},
		{Template: Always, Selector: selector.Selector{Tags: "[x"}},
		{Template: Nothing, N: -1},
	} {
		if err := r.Check(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for _, template := range Templates() {
		r := Rule{Template: template, Selector: selector.Selector{Tags: "v*"}}
		if template.Counts() {
			r.N = 3
		}
		if err := r.Check(); err != nil || !strings.Contains(r.String(), "tags v*") {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// TestFollowers: what an index lists and what refers to something that is here are
// nothing that rules speak of.
func TestFollowers(t *testing.T) {
	t.Parallel()
	image := digest.FromString("image")
	tied := "sha256-" + image.Encoded()
	all := []*artifact{
		{digest: image, tags: []string{"v1"}, listed: true},
		{digest: "listed", listed: true},
		{digest: "referrer", subject: image, tags: []string{"odd"}},
		{digest: "of what is gone", subject: "gone"},
		{digest: "signature", tags: []string{tied + ".sig", tied + ".att"}},
		{digest: "both", tags: []string{tied + ".sig", "v9"}},
		{digest: "of another", tags: []string{"sha256-" + strings.Repeat("a", 64) + ".sig"}},
	}
	candidates, followers := decision{}.split(all)
	var names []string
	for _, a := range candidates {
		names = append(names, string(a.digest))
	}
	if want := []string{image.String(), "of what is gone", "both", "of another"}; !slices.Equal(names, want) {
		t.Errorf("candidates %q", names)
	}
	if got := fmt.Sprint(followers[image]); got != "[referrer signature]" {
		t.Errorf("followers %s", got)
	}
}
