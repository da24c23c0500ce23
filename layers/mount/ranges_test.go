package mount

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	own := []IDRange{{Outside: 100_000, Size: 1000}, {Inside: 1000, Outside: 5, Size: 1}}
	for _, c := range []struct{ in, want IDRange }{
		{IDRange{Inside: 3, Outside: 0, Size: 1000}, IDRange{Inside: 3, Outside: 100_000, Size: 1000}},
		{IDRange{Inside: 3, Outside: 1000, Size: 1}, IDRange{Inside: 3, Outside: 5, Size: 1}},
	} {
		if got, err := Translate(own, c.in); err != nil || got != c.want {
			t.Errorf("%v: %v, %v", c.in, got, err)
		}
	}
	for _, r := range []IDRange{{Outside: 999, Size: 2}, {Outside: 2000, Size: 1}, {Outside: 1<<32 - 1, Size: 2}} {
		if got, err := Translate(own, r); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: %v, %v", r, got, err)
		}
	}
	if got, err := Translate(nil, IDRange{Inside: 1, Outside: 2, Size: 3}); err != nil || got.Outside != 2 {
		t.Errorf("without a map: %v, %v", got, err)
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	got := Without([]IDRange{{Outside: 100, Size: 10}}, 0, 5, 9, 77)
	want := []IDRange{{Inside: 1, Outside: 101, Size: 4}, {Inside: 6, Outside: 106, Size: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
