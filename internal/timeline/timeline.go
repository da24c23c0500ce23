// Package timeline measures the phases of one start, across the processes that take
// part in it. Whoever wants to know puts a Recorder into the context; without one a
// phase costs a look into that.
package timeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// began is when this process came to its own code: the kernel's execve, and what Go's
// runtime does before, is earlier.
var began = now()

// now is the clock that all processes of this machine share, in nanoseconds.
func now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // no Linux is without it
	}
	return ts.Nano()
}

// Span is one phase of one process, in nanoseconds of a clock that all have.
type Span struct {
	Who   string `json:"who"`
	What  string `json:"what"`
	Begin int64  `json:"begin"`
	End   int64  `json:"end"`
}

// Recorder keeps spans. It is safe for concurrent use.
type Recorder struct {
	who   string
	mu    sync.Mutex
	spans []Span
}

// New records for the process that calls itself who, from the beginning of that.
func New(who, first string) *Recorder {
	r := &Recorder{who: who}
	r.Add(Span{Who: who, What: first, Begin: began, End: now()})
	return r
}

// Add adds spans that another process has recorded.
func (r *Recorder) Add(spans ...Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spans...)
}

// Spans are those that have ended, as they began.
func (r *Recorder) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := slices.Clone(r.spans)
	slices.SortStableFunc(spans, func(a, b Span) int { return int(min(max(a.Begin-b.Begin, -1), 1)) })
	return spans
}

type key struct{}

// With returns a context whose phases r records.
func With(ctx context.Context, r *Recorder) context.Context { return context.WithValue(ctx, key{}, r) }

// From is the context's recorder, nil if nobody wants to know.
func From(ctx context.Context) *Recorder {
	r, _ := ctx.Value(key{}).(*Recorder)
	return r
}

// Begin begins a phase; the function that it returns ends it.
func Begin(ctx context.Context, what string) (end func()) {
	r := From(ctx)
	if r == nil {
		return func() {}
	}
	begin := now()
	return func() { r.Add(Span{Who: r.who, What: what, Begin: begin, End: now()}) }
}

// width is how many columns the longest time takes in the drawing.
const width = 40

// Write draws spans one below the other, in microseconds since the first began.
func Write(w io.Writer, spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	first, last := spans[0].Begin, spans[0].End
	for _, s := range spans {
		first, last = min(first, s.Begin), max(last, s.End)
	}
	all := max(last-first, 1)
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %8s  %-9s %s\n", "FROM µs", "TOOK µs", "WHO", "WHAT")
	for _, s := range spans {
		from := int((s.Begin - first) * width / all)
		bar := max(1, int((s.End-first)*width/all)-from)
		fmt.Fprintf(&b, "%8d %8d  %-9s %-32s %s%s\n", micros(s.Begin-first), micros(s.End-s.Begin), s.Who, s.What,
			strings.Repeat(" ", from), strings.Repeat("█", bar))
	}
	fmt.Fprintf(&b, "%8d %8s  in all\n", micros(all), "")
	_, err := io.WriteString(w, b.String())
	return err
}

func micros(ns int64) int64 { return ns / int64(time.Microsecond) }
