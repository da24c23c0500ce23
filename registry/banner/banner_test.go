package banner_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/banner"
)

// TestWhenItIsShown: a day counts whole, a time to the second.
func TestWhenItIsShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, until, at string
		shown           bool
	}{
		{"", "", "2026-12-01T00:00:00Z", true},
		{"2026-12-01", "", "2026-11-30T23:59:59Z", false},
		{"2026-12-01", "", "2026-12-01T00:00:00Z", true},
		{"", "2026-12-01", "2026-12-01T23:59:59Z", true},
		{"", "2026-12-01", "2026-12-02T00:00:00Z", false},
		{"2026-12-01", "2026-12-01", "2026-12-01T12:00:00Z", true},
		{"2026-12-01T18:00:00+01:00", "2026-12-01T19:00:00+01:00", "2026-12-01T16:59:59Z", false},
		{"2026-12-01T18:00:00+01:00", "2026-12-01T19:00:00+01:00", "2026-12-01T17:00:00Z", true},
		{"2026-12-01T18:00:00+01:00", "2026-12-01T19:00:00+01:00", "2026-12-01T18:00:00Z", false},
	} {
		b := banner.Banner{Message: "we move", From: c.from, Until: c.until}
		now, err := time.Parse(time.RFC3339, c.at)
		if err = errors.Join(err, b.Check()); err != nil {
			t.Fatal(err)
		}
		if got := b.At(now) != nil; got != c.shown {
			t.Errorf("from %q until %q, at %s: %v", c.from, c.until, c.at, got)
		}
	}
	if (banner.Banner{}).At(time.Now()) != nil {
		t.Error("none is shown")
	}
}

func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	for says, b := range map[string]banner.Banner{
		"no message":   {Kind: "info"},
		"none of info": {Message: "x", Kind: "red"},
		"at most 500":  {Message: strings.Repeat("x", 501)},
		"from: ":       {Message: "x", From: "tomorrow"},
		"until: ":      {Message: "x", Until: "2026-13-01"},
		"before it":    {Message: "x", From: "2026-12-02", Until: "2026-12-01"},
	} {
		if err := b.Check(); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", b, err, says)
		}
	}
	if err := (banner.Banner{}).Check(); err != nil {
		t.Errorf("none: %v", err)
	}
}

func TestAsHarborHasIt(t *testing.T) {
	t.Parallel()
	b := banner.Banner{Message: `we "move"`, Kind: "warning", From: "2026-12-01", Until: "2026-12-03"}
	want := `{"closable":false,"fromDate":"12/01/2026","message":"we \"move\"","toDate":"12/03/2026","type":"warning"}`
	if got := b.Harbor(); got != want || !b.Bad() {
		t.Errorf("%s, want %s", got, want)
	}
	if (banner.Banner{}).Harbor() != "" {
		t.Error("none is something")
	}
}
