package stats

import (
	"slices"
	"testing"
	"time"
)

func TestInterfacesLeaveOutTheLoopback(t *testing.T) {
	t.Parallel()
	all := interfaces(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    5000      50    0    0    0     0          0         0     5000      50    0    0    0     0       0          0
  eth0:    1200      12    0    0    0     0          0         0      340       4    0    0    0     0       0          0
  eth1:     800       8    0    0    0     0          0         0       60       1    0    0    0     0       0          0
`)
	want := []Interface{
		{"eth0", Traffic{1200, 12, 0, 0}, Traffic{340, 4, 0, 0}},
		{"eth1", Traffic{800, 8, 0, 0}, Traffic{60, 1, 0, 0}},
	}
	if !slices.Equal(all, want) {
		t.Errorf("%+v, want %+v", all, want)
	}
}

// TestBetweenTwoSamples: a processor used for half of a second is 50 %, and one
// whose container was not there before, or was restarted, is not guessed.
func TestBetweenTwoSamples(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := func(id string, seconds int, cpu time.Duration) Sample {
		return Sample{ID: id, At: noon.Add(time.Duration(seconds) * time.Second), CPU: cpu}
	}
	got := Between(
		[]Sample{at("half", 0, time.Second), at("two", 0, 0), at("restarted", 0, time.Minute), at("gone", 0, 0)},
		[]Sample{
			at("half", 2, 2*time.Second), at("two", 1, 2*time.Second), at("restarted", 1, time.Second),
			at("new", 1, time.Second),
		},
	)
	want := map[string]float64{"half": 50, "two": 200, "restarted": 0, "new": 0}
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	for _, s := range got {
		if s.CPUPercent != want[s.ID] {
			t.Errorf("%s: %v %%, want %v", s.ID, s.CPUPercent, want[s.ID])
		}
	}
}
