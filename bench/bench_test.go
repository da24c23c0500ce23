package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

func take(v float64) func(context.Context, *testbed) (float64, error) {
	return func(context.Context, *testbed) (float64, error) { return v, nil }
}

func emptyTestbed() *testbed {
	return &testbed{vars: map[string]string{}, prepared: map[string]error{}}
}

func TestPeerThatFailsIsOutAndOthersGoOn(t *testing.T) {
	runs := 0
	res := emptyTestbed().measure(t.Context(), row{name: "work", target: target{ratio: 0.5}, rounds: 3, in: []contender{
		{name: cove, value: take(1)},
		{name: docker, value: func(context.Context, *testbed) (float64, error) { runs++; return 0, errors.New("no such thing") }},
		{name: podman, value: take(4)},
	}}, 0)
	if runs != 1 {
		t.Errorf("a contender that failed ran %d times, want 1", runs)
	}
	if got := len(res.series[2].samples); got != 3 {
		t.Errorf("%d samples of the peer that works, want 3", got)
	}
	if res.verdict() != "met" {
		t.Errorf("verdict %q", res.verdict())
	}
	if text := res.lines(); !strings.Contains(text, "cannot: no such thing") || !strings.Contains(text, "| podman | 4.0 ms | 4.0 – 4.0 | 3 | 0.25 |") {
		t.Errorf("lines:\n%s", text)
	}
}

func TestMedian(t *testing.T) {
	for want, samples := range map[float64][]float64{3: {3}, 2.5: {1, 4}, 2: {1, 2, 9}, 4: {1, 3, 5, 9}} {
		if got := (series{samples: samples}).median(); got != want {
			t.Errorf("of %v: %v, want %v", samples, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	all := func(cove, fast, slow float64) []series {
		return []series{{name: "cove", samples: []float64{cove}}, {name: "fast", samples: []float64{fast}}, {name: "slow", samples: []float64{slow}}}
	}
	for name, c := range map[string]struct {
		target target
		in     []series
		want   string
	}{
		"below a part of the fastest":   {target{ratio: 0.5}, all(4, 10, 20), "met"},
		"above a part of the fastest":   {target{ratio: 0.5}, all(6, 10, 20), "missed"},
		"a named peer counts alone":     {target{ratio: 0.5, of: "slow"}, all(6, 10, 20), "met"},
		"nothing to compare with":       {target{ratio: 0.5, of: "gone"}, all(6, 10, 20), ""},
		"below a figure":                {target{most: 200}, all(200, 1, 1), "met"},
		"above a figure":                {target{most: 200}, all(201, 1, 1), "missed"},
		"no target":                     {target{}, all(1, 1, 1), ""},
		"cove has nothing to show":      {target{ratio: 0.5}, []series{{name: "cove"}, {name: "fast", samples: []float64{1}}}, "failed"},
		"cove failed after some rounds": {target{most: 9}, []series{{name: "cove", samples: []float64{1}, err: errors.New("x")}}, "failed"},
	} {
		if got := (result{row: row{target: c.target}, series: c.in}).verdict(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestNeedIsDoneOnce(t *testing.T) {
	tb, times := emptyTestbed(), 0
	n := need{"a thing", func(context.Context, *testbed) error { times++; return errors.New("broken") }}
	for range 2 {
		if err := tb.prepare(t.Context(), n); err == nil || err.Error() != "a thing: broken" {
			t.Errorf("error %v", err)
		}
	}
	if times != 1 {
		t.Errorf("done %d times", times)
	}
}

func TestRunThatTakesTooLongDies(t *testing.T) {
	begun := time.Now()
	r := row{rounds: 1, limit: 50 * time.Millisecond, cold: true, in: []contender{{name: cove, run: shell("sleep 60 & wait")}}}
	res := emptyTestbed().measure(t.Context(), r, 0)
	if err := res.series[0].err; err == nil || !strings.Contains(err.Error(), "it took too long") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it went on for %v", took)
	}
}

// TestStreak: the first run of each turn is no sample, and the others have
// nobody between them.
func TestStreak(t *testing.T) {
	var order string
	does := func(who string) step {
		return func(context.Context, *testbed) error { order += who; return nil }
	}
	r := row{rounds: 2, streak: 3, cold: true, in: []contender{{name: cove, run: does("a")}, {name: docker, run: does("b")}}}
	res := emptyTestbed().measure(t.Context(), r, 0)
	if order != "aaaabbbbbbbbaaaa" {
		t.Errorf("order %s", order)
	}
	for _, s := range res.series {
		if s.err != nil || len(s.samples) != 2 {
			t.Errorf("%s: %v, %v", s.name, s.samples, s.err)
		}
	}
}

func TestReportNamesWhatWasNotMeasured(t *testing.T) {
	rep := report{begun: time.Now(), missing: []string{"late row"}, results: []result{
		{row: row{name: "quick", target: target{most: 5}}, series: []series{{name: "cove", samples: []float64{4}}}},
		{row: row{name: "slow", target: target{most: 5}}, series: []series{{name: "cove", samples: []float64{6}}}},
	}}
	text := string(rep.text(time.Now()))
	for _, want := range []string{"1 of 2 targets met", "| late row | | | | | | | not measured", "| **quick** | cove | 4.0 ms | 4.0 – 4.0 | 1 |  | ≤5 | met |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestContextIsTheSameEachTimeAndCompressesLikeSource(t *testing.T) {
	text := sourceText(rand.New(rand.NewPCG(contextSeed, contextSeed)), 1<<20)
	if !bytes.Equal(text, sourceText(rand.New(rand.NewPCG(contextSeed, contextSeed)), 1<<20)) {
		t.Error("two texts of one seed differ")
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(len(text)) / float64(b.Len()); ratio < 2.5 || ratio > 5 {
		t.Errorf("compresses to 1/%.1f", ratio)
	}
}
