package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cove/bench/figures"
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
	target figures.Target
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

// within is a part of a peer's time; "" is the fastest.
func within(ratio float64, of string) figures.Target { return figures.Target{Ratio: ratio, Of: of} }

// shown is what the report says of a row.
func (r row) shown() figures.Row {
	return figures.Row{Name: r.name, Target: r.target, Note: r.note, Unit: r.unit}
}

// budget is how long a row may go on; a round that has begun is finished.
const budget = 4 * time.Minute

// measure runs a row's contenders in turn, each round starting with another. A
// contender that fails is out, and the others go on.
func (tb *testbed) measure(ctx context.Context, r row, rounds int) figures.Result {
	res := figures.Result{Row: r.shown(), Series: make([]figures.Series, len(r.in))}
	for i, c := range r.in {
		res.Series[i].Name = c.name
		res.Series[i].Err = tb.prepare(ctx, c.needs...)
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
			s := &res.Series[i]
			if s.Err != nil {
				continue
			}
			var v float64
			if v, s.Err = tb.once(ctx, r, r.in[i]); s.Err == nil && round >= first {
				s.Samples = append(s.Samples, v)
			}
		}
	}
	for _, s := range res.Series {
		slices.Sort(s.Samples)
	}
	if r.after != nil {
		if err := r.after(ctx, tb); err != nil && res.Series[0].Err == nil {
			res.Series[0].Err = fmt.Errorf("cleaning up: %w", err)
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
