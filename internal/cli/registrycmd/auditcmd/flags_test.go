package auditcmd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"cove/registry/audit"
)

func parsed(t *testing.T, args ...string) (*Flags, error) {
	t.Helper()
	var f Flags
	set := pflag.NewFlagSet("list", pflag.ContinueOnError)
	f.Add(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &f, f.Parse(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
}

// TestPages asks on until there is enough or no more.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit       string
		there, want int
	}{{"1", 2000, 1}, {"501", 2000, 501}, {"1200", 2000, 1200}, {"9000", 1300, 1300}, {"10", 0, 0}} {
		f, err := parsed(t, "--limit", tc.limit, "--format", "{{.ID}}")
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err = f.Print(&out, func(q audit.Query) (page []audit.Event, more bool, err error) {
			next := int64(tc.there)
			if q.Before > 0 {
				next = q.Before - 1
			}
			for ; next > 0 && len(page) < q.N; next-- {
				page = append(page, audit.Event{ID: next})
			}
			return page, next > 0, nil
		})
		if got := strings.Count(out.String(), "\n"); err != nil || got != tc.want {
			t.Errorf("--limit %s of %d: %d lines, want %d; %v", tc.limit, tc.there, got, tc.want, err)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	f, err := parsed(t, "--since", "24h", "--until", "2026-01-01T12:00:00+01:00")
	if err != nil || !f.query.Since.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) ||
		!f.query.Until.Equal(time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", f.query, err)
	}
	for _, wrong := range []string{"--since=yesterday", "--until=2026", "--limit=0", "--limit=-1"} {
		if _, err := parsed(t, wrong); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	f, err := parsed(t, "--format", "{{.Nothing}}")
	if err != nil {
		t.Fatal(err)
	}
	one := func(audit.Query) ([]audit.Event, bool, error) { return []audit.Event{{}}, false, nil }
	if err := f.Print(&strings.Builder{}, one); err == nil {
		t.Error("a field that there is not is printed")
	}
	down := errors.New("down")
	if err := f.Print(&strings.Builder{}, func(audit.Query) ([]audit.Event, bool, error) { return nil, false, down }); !errors.Is(err, down) {
		t.Errorf("told %v", err)
	}
}
