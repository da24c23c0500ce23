package lab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cove/bench/figures"
)

// Contender is one way to do a row's work.
type Contender struct {
	Name   string
	Needs  []Need
	Before Step // not timed
	Run    Step
	// Value replaces the wall clock where the work measures itself.
	Value func(ctx context.Context, l *Lab) (float64, error)
	// Beside, when set, is asked at the end what else the runs showed.
	Beside func() string
}

// Row is one comparison; cove is always the first contender.
type Row struct {
	Name   string
	Target figures.Target
	Rounds int
	Limit  time.Duration // of one run; 0 is a minute
	// Streak is how many runs follow one another, without a pause and without
	// the others between, in each turn; 0 is one. The figure is that of one of
	// them, and the first is not counted.
	Streak int
	// Note says below the table what the figures mean.
	Note string
	// Cold says that there is nothing to warm up: every run counts.
	Cold  bool
	Unit  string // "" is ms
	In    []Contender
	After Step // frees what the row took
}

// Within is a part of a peer's time; "" is the fastest.
func Within(ratio float64, of string) figures.Target { return figures.Target{Ratio: ratio, Of: of} }

// shown is what the report says of a row.
func (r Row) shown() figures.Row {
	return figures.Row{Name: r.Name, Target: r.Target, Note: r.Note, Unit: r.Unit}
}

// budget is how long a row may go on; a round that has begun is finished.
const budget = 4 * time.Minute

// Measure runs a row's contenders in turn, each round starting with another. A
// contender that fails is out, and the others go on.
func (l *Lab) Measure(ctx context.Context, r Row, rounds int) figures.Result {
	res := figures.Result{Row: r.shown(), Series: make([]figures.Series, len(r.In))}
	for i, c := range r.In {
		res.Series[i].Name = c.Name
		res.Series[i].Err = l.Prepare(ctx, c.Needs...)
	}
	if rounds == 0 {
		rounds = r.Rounds
	}
	begun, first := time.Now(), 1 // the first round that counts
	if r.Cold {
		first = 0
	}
	for round := range rounds + first {
		if round > first && time.Since(begun) > budget {
			break
		}
		for i := range r.In {
			i = (i + round) % len(r.In)
			s := &res.Series[i]
			if s.Err != nil {
				continue
			}
			var v float64
			if v, s.Err = l.once(ctx, r, r.In[i]); s.Err == nil && round >= first {
				s.Samples = append(s.Samples, v)
			}
		}
	}
	for i, s := range res.Series {
		slices.Sort(s.Samples)
		if beside := r.In[i].Beside; beside != nil && s.Measured() {
			res.Series[i].Beside = beside()
		}
	}
	if r.After != nil {
		if err := r.After(ctx, l); err != nil && res.Series[0].Err == nil {
			res.Series[0].Err = fmt.Errorf("cleaning up: %w", err)
		}
	}
	return res
}

// once is one run of one contender.
func (l *Lab) once(ctx context.Context, r Row, c Contender) (float64, error) {
	if c.Before != nil {
		limited, cancel := context.WithTimeout(ctx, needLimit)
		defer cancel()
		if err := c.Before(limited, l); err != nil {
			return 0, fmt.Errorf("preparing: %w", err)
		}
	}
	limit := r.Limit
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if c.Value != nil {
		return c.Value(ctx, l)
	}
	if r.Streak > 0 {
		if err := c.Run(ctx, l); err != nil {
			return 0, err
		}
	}
	start, times := time.Now(), max(r.Streak, 1)
	for range times {
		if err := c.Run(ctx, l); err != nil {
			return 0, err
		}
	}
	return milliseconds(time.Since(start)) / float64(times), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
