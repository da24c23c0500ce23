package figures

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for want, samples := range map[float64][]float64{3: {3}, 2.5: {1, 4}, 2: {1, 2, 9}, 4: {1, 3, 5, 9}} {
		if got := (Series{Samples: samples}).Median(); got != want {
			t.Errorf("of %v: %v, want %v", samples, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	all := func(cove, fast, slow float64) []Series {
		return []Series{{Name: "cove", Samples: []float64{cove}}, {Name: "fast", Samples: []float64{fast}}, {Name: "slow", Samples: []float64{slow}}}
	}
	for name, c := range map[string]struct {
		target Target
		in     []Series
		want   string
	}{
		"below a part of the fastest":   {Target{Ratio: 0.5}, all(4, 10, 20), "met"},
		"above a part of the fastest":   {Target{Ratio: 0.5}, all(6, 10, 20), "missed"},
		"a named peer counts alone":     {Target{Ratio: 0.5, Of: "slow"}, all(6, 10, 20), "met"},
		"nothing to compare with":       {Target{Ratio: 0.5, Of: "gone"}, all(6, 10, 20), ""},
		"below a figure":                {Target{Most: 200}, all(200, 1, 1), "met"},
		"above a figure":                {Target{Most: 200}, all(201, 1, 1), "missed"},
		"no target":                     {Target{}, all(1, 1, 1), ""},
		"cove has nothing to show":      {Target{Ratio: 0.5}, []Series{{Name: "cove"}, {Name: "fast", Samples: []float64{1}}}, "failed"},
		"cove failed after some rounds": {Target{Most: 9}, []Series{{Name: "cove", Samples: []float64{1}, Err: errors.New("x")}}, "failed"},
	} {
		if got := (Result{Row: Row{Target: c.target}, Series: c.in}).Verdict(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestReportNamesWhatWasNotMeasured(t *testing.T) {
	rep := Report{Begun: time.Now(), Missing: []string{"late row"}, Results: []Result{
		{Row: Row{Name: "quick", Target: Target{Most: 5}}, Series: []Series{{Name: "cove", Samples: []float64{4}, Beside: "p99 5.0 ms"}}},
		{Row: Row{Name: "short"}, Series: []Series{{Name: "cove", Samples: []float64{0.1, 0.272}}}},
		{Row: Row{Name: "slow", Target: Target{Most: 5}}, Series: []Series{{Name: "cove", Samples: []float64{6}}}},
	}}
	text := string(rep.Text(time.Now(), "1"))
	for _, want := range []string{
		"1 of 2 targets met", "| late row | | | | | | | not measured", "| **quick** | cove | 4.0 ms | 4.0 – 4.0 | 1 |  | ≤5 | met | p99 5.0 ms |",
		"| **short** | cove | 0.186 ms | 0.100 – 0.272 | 2 |  |  |  |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
