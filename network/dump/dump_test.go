package dump

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	broken := errors.New("no socket")
	for name, tt := range map[string]struct {
		interrupted int // answers before one that was not
		last        error
		want        error
		reads       int
	}{
		"at once":     {0, nil, nil, 1},
		"third time":  {2, nil, nil, 3},
		"never whole": {1000, nil, nil, attempts},
		"an error":    {1, broken, broken, 2},
	} {
		reads := 0
		got, err := Whole(func() ([]int, error) {
			if reads++; reads <= tt.interrupted {
				return []int{reads}, netlink.ErrDumpInterrupted
			}
			return []int{reads}, tt.last
		})
		if !errors.Is(err, tt.want) || reads != tt.reads || !slices.Equal(got, []int{reads}) {
			t.Errorf("%s: %v, %v after %d", name, got, err, reads)
		}
	}
}
