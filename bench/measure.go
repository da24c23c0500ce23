package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// contender is one way to do a row's work.
type contender struct {
	name   string
	needs  []need
	before step // not timed
	run    step
	// value replaces the wall clock where the work measures itself.
	value func(ctx context.Context, tb *testbed) (float64, error)
}

// row is one comparison; cove is always the first contender.
type row struct {
	name   string
	target target
	rounds int
	limit  time.Duration // of one run; 0 is a minute
	// streak is how many runs follow one another, without a pause and without
	// the others between, in each turn; 0 is one. The figure is that of one of
	// them, and the first is not counted.
	streak int
	// note says below the table what the figures mean.
	note string
	// cold says that there is nothing to warm up: every run counts.
	cold  bool
	unit  string // "" is ms
	in    []contender
	after step // frees what the row took
}

// budget is how long a row may go on; a round that has begun is finished.
const budget = 4 * time.Minute

// series is what one contender did.
type series struct {
	name    string
	samples []float64 // sorted
	err     error     // why it is out
}

// median is that of the samples, of which there is at least one.
func (s series) median() float64 {
	n := len(s.samples)
	return (s.samples[(n-1)/2] + s.samples[n/2]) / 2
}

func (s series) measured() bool { return s.err == nil && len(s.samples) > 0 }

type result struct {
	row
	series []series
}

// measure runs a row's contenders in turn, each round starting with another. A
// contender that fails is out, and the others go on.
func (tb *testbed) measure(ctx context.Context, r row, rounds int) result {
	res := result{row: r, series: make([]series, len(r.in))}
	for i, c := range r.in {
		res.series[i].name = c.name
		res.series[i].err = tb.prepare(ctx, c.needs...)
	}
	if rounds == 0 {
		rounds = r.rounds
	}
	begun, first := time.Now(), 1 // the first round that counts
	if r.cold {
		first = 0
	}
	for round := range rounds + first {
		if round > first && time.Since(begun) > budget {
			break
		}
		for i := range r.in {
			i = (i + round) % len(r.in)
			s := &res.series[i]
			if s.err != nil {
				continue
			}
			var v float64
			if v, s.err = tb.once(ctx, r, r.in[i]); s.err == nil && round >= first {
				s.samples = append(s.samples, v)
			}
		}
	}
	for _, s := range res.series {
		slices.Sort(s.samples)
	}
	if r.after != nil {
		if err := r.after(ctx, tb); err != nil && res.series[0].err == nil {
			res.series[0].err = fmt.Errorf("cleaning up: %w", err)
		}
	}
	return res
}

// once is one run of one contender.
func (tb *testbed) once(ctx context.Context, r row, c contender) (float64, error) {
	if c.before != nil {
		limited, cancel := context.WithTimeout(ctx, needLimit)
		defer cancel()
		if err := c.before(limited, tb); err != nil {
			return 0, fmt.Errorf("preparing: %w", err)
		}
	}
	limit := r.limit
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if c.value != nil {
		return c.value(ctx, tb)
	}
	if r.streak > 0 {
		if err := c.run(ctx, tb); err != nil {
			return 0, err
		}
	}
	start, times := time.Now(), max(r.streak, 1)
	for range times {
		if err := c.run(ctx, tb); err != nil {
			return 0, err
		}
	}
	return milliseconds(time.Since(start)) / float64(times), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// target is what cove is held to: a part of a peer's time, or a figure.
type target struct {
	ratio float64
	of    string // a peer; "" is the fastest
	most  float64
}

func (t target) String() string {
	switch {
	case t.most > 0:
		return fmt.Sprintf("≤%g", t.most)
	case t.ratio == 0:
		return ""
	case t.of == "":
		return fmt.Sprintf("≤%g × the fastest peer", t.ratio)
	}
	return fmt.Sprintf("≤%g × %s", t.ratio, t.of)
}

// verdict says whether a result meets its target; "" when there is none, or
// nothing to compare with.
func (r result) verdict() string {
	cove := r.series[0]
	if !cove.measured() {
		return "failed"
	}
	limit := r.target.most
	if r.target.ratio > 0 {
		for _, peer := range r.series[1:] {
			if !peer.measured() || r.target.of != "" && r.target.of != peer.name {
				continue
			}
			if most := r.target.ratio * peer.median(); limit == 0 || most < limit {
				limit = most
			}
		}
	}
	switch {
	case limit == 0:
		return ""
	case cove.median() <= limit:
		return "met"
	}
	return "missed"
}
