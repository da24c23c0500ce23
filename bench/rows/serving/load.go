package serving

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"cove/bench/asker"
	"cove/bench/lab"
	"cove/bench/machine"
)

// work is what one of the clients does for the nth time.
type work func(ctx context.Context, c *asker.Client, n int) error

// load is clients that each do something several times, at once.
type load struct {
	clients, each int
	bytes         int64 // that one time moves; 0 is next to none
	prepare       func() work
}

// seen is what the runs of one contender showed.
type seen struct {
	times []float64 // in ms
	used  time.Duration
	bytes int64
}

// contender measures a registry under this load by the median of what its clients wait.
func (ld load) contender(r *registry, cold bool, needs ...lab.Need) lab.Contender {
	var all seen
	runs := 0
	return lab.Contender{
		Name: r.name, Needs: needs,
		Value: func(ctx context.Context, _ *lab.Lab) (float64, error) {
			one, err := ld.run(ctx, r)
			if err != nil {
				return 0, err
			}
			if runs++; cold || runs > 1 { // the first warms up
				all.times = append(all.times, one.times...)
				all.used += one.used
				all.bytes += one.bytes
			}
			slices.Sort(one.times)
			return one.times[len(one.times)/2], nil
		},
		Beside: func() string { return all.String() },
	}
}

func (ld load) run(ctx context.Context, r *registry) (seen, error) {
	var (
		mu     sync.Mutex
		out    = seen{bytes: int64(ld.clients*ld.each) * ld.bytes}
		failed error
		wg     sync.WaitGroup
	)
	do := ld.prepare()
	before, err := used(r)
	if err != nil {
		return out, err
	}
	for client := range ld.clients {
		wg.Go(func() {
			for n := range ld.each {
				start := time.Now()
				err := do(ctx, r.client, client*ld.each+n)
				ms := float64(time.Since(start).Microseconds()) / 1000
				mu.Lock()
				out.times = append(out.times, ms)
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return out, failed
	}
	after, err := used(r)
	out.used = after - before
	return out, err
}

// used is the processors' time of a registry of this machine.
func used(r *registry) (time.Duration, error) {
	if r.outside != nil {
		return 0, nil
	}
	return machine.Worked(r.pid)
}

// String is what the bench says beside the median.
func (s seen) String() string {
	if len(s.times) == 0 {
		return ""
	}
	slices.Sort(s.times)
	text := fmt.Sprintf("p99 %.1f ms", s.times[len(s.times)*99/100])
	switch {
	case s.used == 0:
	case s.bytes > 0:
		text += fmt.Sprintf(", %.2f CPU s/GB", s.used.Seconds()/(float64(s.bytes)/1e9))
	default:
		text += fmt.Sprintf(", %.2f CPU ms each", s.used.Seconds()*1000/float64(len(s.times)))
	}
	return text
}
