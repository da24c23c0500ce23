package listing

import (
	"errors"
	"testing"
	"time"

	"cove/errdefs"
)

func TestPruneFilter(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	labels := map[string]string{"keep": "no", "team": "x"}
	for _, tt := range []struct {
		f    PruneFilter
		want bool
	}{
		{nil, true},
		{PruneFilter{"until": {"30m"}}, true},
		{PruneFilter{"until": {"2h"}}, false},
		{PruneFilter{"until": {"2026-11-20T11:30:00Z"}}, true},
		{PruneFilter{"label": {"team=x", "keep"}}, true},
		{PruneFilter{"label": {"team=x", "other"}}, false},
		{PruneFilter{"label!": {"other"}}, true},
		{PruneFilter{"label!": {"other", "keep=no"}}, false},
		{PruneFilter{"label!": {"keep=yes"}, "until": {"1m"}}, true},
	} {
		test, err := tt.f.Test(noon)
		if err != nil || tt.f.Check(PruneUntil, PruneLabel, PruneNoLabel) != nil {
			t.Fatal(err)
		}
		if got := test(noon.Add(-time.Hour), labels); got != tt.want {
			t.Errorf("%v: %v", tt.f, got)
		}
	}
	for _, f := range []PruneFilter{{"colour": {"red"}}, {"until": {"1h", "2h"}}} {
		if err := f.Check(PruneUntil); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: %v", f, err)
		}
	}
	if _, err := (PruneFilter{"until": {"then"}}).Test(noon); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("until=then: %v", err)
	}
}
