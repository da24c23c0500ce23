package verbs

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"cove/engine"
	"cove/errdefs"
	"cove/images/removal"
	"cove/internal/cli/app"
)

func TestTermsKeepEveryValueOfAKey(t *testing.T) {
	t.Parallel()
	got, err := Terms([]string{"label=a=b", "label=c", "name="})
	want := map[string][]string{"label": {"a=b", "c"}, "name": {""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := Terms([]string{"label"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no value: got %v, want ErrInvalid", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	got, err := Labels([]string{"a=b=c", "bare", "a=last"})
	if want := map[string]string{"a": "last", "bare": ""}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := Labels([]string{"=x"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no key: got %v, want ErrInvalid", err)
	}
}

// TestMissing: with --force only what is not there is forgiven, and still told.
func TestMissing(t *testing.T) {
	t.Parallel()
	gone := errdefs.Errorf(errdefs.ErrNotFound, "no such volume: data")
	used := errdefs.Errorf(errdefs.ErrConflict, "volume data is in use")
	var told bytes.Buffer
	a := &app.App{Err: &told}
	if err := Missing(a, true, gone); !errors.Is(err, ErrSilent) || !bytes.Contains(told.Bytes(), []byte("no such volume: data")) {
		t.Errorf("forced: %v, told %q", err, told.String())
	}
	if err := Missing(a, false, gone); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("not forced: %v", err)
	}
	if err := Missing(a, true, used); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("in use: %v", err)
	}
	if err := Missing(a, true, nil); err != nil {
		t.Errorf("removed: %v", err)
	}
}

// TestReportPruned prints docker's sections, and none that is empty.
func TestReportPruned(t *testing.T) {
	t.Parallel()
	var out, told bytes.Buffer
	reportPruned(&app.App{Out: &out, Err: &told}, engine.Pruned{
		Containers: []string{"c1", "c2"}, Repaired: []string{"the mount of c3"}, Freed: 1_500_000,
		Images: removal.Removed{Untagged: []string{"web:v1"}, Deleted: []string{"sha256:ab"}},
	})
	want := "Deleted Containers:\nc1\nc2\n\nDeleted Images:\nuntagged: web:v1\ndeleted: sha256:ab\n\n" +
		"Total reclaimed space: 1.5MB\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if told.String() != "left behind by a dead container, removed: the mount of c3\n" {
		t.Errorf("told %q", told.String())
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                     {},
		"10m":                  noon.Add(-10 * time.Minute),
		"2026-01-02T03:04:05Z": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"1700000000":           time.Unix(1700000000, 0),
		"1700000000.5":         time.Unix(1700000000, 500_000_000),
	} {
		if got, err := Moment("--since", in, noon); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	if _, err := Moment("--since", "yesterday", noon); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}
