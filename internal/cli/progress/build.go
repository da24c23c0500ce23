package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"cove/builder/plan"
	"cove/builder/solve"
)

const (
	tailShown  = 4  // lines of a running command on a terminal
	tailFailed = 30 // lines of a command that failed
)

// Build shows the events of a build, as BuildKit does: numbered plain lines,
// or on a terminal the steps under way with the end of their output.
type Build struct {
	screen Screen
	live   *live // nil where there is no terminal
	now    func() time.Time
	// Explain says with each step why it was not cached.
	Explain bool

	mu    sync.Mutex
	steps map[int]*step
	order []*step
	last  int // index of the step that printed last
}

type step struct {
	index   int
	name    string
	started time.Time
	over    bool
	partial []byte
	tail    []string
}

// NewBuild begins; Close ends it. plain asks for plain lines even on a
// terminal.
func NewBuild(s Screen, plain bool, now func() time.Time) *Build {
	b := &Build{screen: s, now: now, steps: map[int]*step{}}
	if s.Size != nil && !plain {
		b.live = newLive(s, b.block)
	}
	return b
}

// Event takes one step of the build; it is a builder.Request.Progress.
func (b *Build) Event(e solve.Event) {
	mu := &b.mu
	if b.live != nil {
		mu = &b.live.mu
	}
	mu.Lock()
	defer mu.Unlock()
	s := b.step(e)
	switch e.Kind {
	case solve.Started:
		b.header(s)
		if b.Explain && e.Reason != "" {
			b.log(s, e.Time, "not cached: "+e.Reason)
		}
	case solve.Log:
		s.write(e.Data, func(line string) { b.log(s, e.Time, line) })
	case solve.Cached:
		b.end(s, "CACHED", e.Duration)
	case solve.Done:
		s.flush(func(line string) { b.log(s, e.Time, line) })
		b.end(s, "DONE", e.Duration)
	case solve.Failed:
		s.flush(func(line string) { b.log(s, e.Time, line) })
		b.fail(s, e)
	case solve.Canceled:
		b.end(s, "CANCELED", e.Duration)
	}
}

func (b *Build) step(e solve.Event) *step {
	s := b.steps[e.Index]
	if s == nil {
		s = &step{index: e.Index, started: e.Time}
		if e.Vertex != nil {
			s.name = e.Vertex.Name
		}
		b.steps[e.Index] = s
		b.order = append(b.order, s)
	}
	return s
}

// header names the step whose lines follow, once until another interrupts.
func (b *Build) header(s *step) {
	if b.live != nil {
		b.live.dirty = true
		return
	}
	if b.last == s.index {
		return
	}
	if b.last != 0 {
		fmt.Fprintln(b.screen.Out)
	}
	b.last = s.index
	fmt.Fprintf(b.screen.Out, "#%d %s\n", s.index, s.name)
}

func (b *Build) log(s *step, at time.Time, line string) {
	s.tail = append(s.tail, line)
	if len(s.tail) > tailFailed {
		s.tail = slices.Delete(s.tail, 0, len(s.tail)-tailFailed)
	}
	b.header(s)
	if b.live == nil {
		fmt.Fprintf(b.screen.Out, "#%d %.3f %s\n", s.index, at.Sub(s.started).Seconds(), line)
	}
}

func (b *Build) end(s *step, word string, d time.Duration) {
	s.over = true
	b.header(s)
	switch {
	case b.live == nil && word == "DONE":
		fmt.Fprintf(b.screen.Out, "#%d DONE %.1fs\n", s.index, d.Seconds())
	case b.live == nil:
		fmt.Fprintf(b.screen.Out, "#%d %s\n", s.index, word)
	case word == "DONE":
		b.live.finish(b.row(s.name, d))
	default:
		b.live.finish(b.row(word+" "+s.name, d))
	}
}

func (b *Build) fail(s *step, e solve.Event) {
	s.over = true
	b.header(s)
	if b.live == nil {
		fmt.Fprintf(b.screen.Out, "#%d ERROR: %v\n", s.index, Told(e.Err))
		return
	}
	b.live.finish(b.screen.paint(red, b.row("ERROR "+s.name, e.Duration)))
	if len(s.tail) == 0 {
		return
	}
	b.live.finish("------\n > " + s.name + ":")
	for _, line := range s.tail {
		b.live.finish(line)
	}
	b.live.finish("------")
}

// Told is err without the end of a failed command's output, for those who have
// seen that output already.
func Told(err error) error {
	var failed *solve.RunError
	if !errors.As(err, &failed) || len(failed.Tail) == 0 {
		return err
	}
	return &told{text: strings.Replace(err.Error(), failed.Error(), failed.Err.Error(), 1), err: err}
}

type told struct {
	text string
	err  error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.err }

// row is one step on a terminal, its time at the right.
func (b *Build) row(name string, d time.Duration) string {
	cols, _ := b.screen.Size()
	left := cut(" => "+name, max(cols-9, 20))
	pad := max(cols-len([]rune(left))-8, 1)
	return left + strings.Repeat(" ", pad) + fmt.Sprintf("%6.1fs", d.Seconds())
}

// block are the steps under way, each with the end of its output.
func (b *Build) block() []string {
	var lines []string
	for _, s := range b.order {
		if s.over {
			continue
		}
		lines = append(lines, b.screen.paint(blue, b.row(s.name, b.now().Sub(s.started))))
		for _, line := range s.tail[max(0, len(s.tail)-tailShown):] {
			lines = append(lines, b.screen.paint(dim, " => => # "+line))
		}
	}
	return lines
}

// Close shows the end; no event may come after it.
func (b *Build) Close() {
	if b.live != nil {
		b.live.close()
	}
}

// write splits output into lines. A carriage return overwrites its line, as it
// does on a terminal.
func (s *step) write(data []byte, line func(string)) {
	s.partial = append(s.partial, data...)
	for {
		i := bytes.IndexByte(s.partial, '\n')
		if i < 0 {
			break
		}
		line(lastFrame(s.partial[:i]))
		s.partial = s.partial[i+1:]
	}
	const longest = 64 << 10
	if len(s.partial) > longest {
		s.flush(line)
	}
}

func (s *step) flush(line func(string)) {
	if len(s.partial) > 0 {
		line(lastFrame(s.partial))
	}
	s.partial = nil
}

func lastFrame(b []byte) string {
	b = bytes.TrimRight(b, "\r")
	return string(b[bytes.LastIndexByte(b, '\r')+1:])
}

// Warnings prints a build's advice.
func Warnings(w io.Writer, warnings []plan.Warning) {
	if len(warnings) == 0 {
		return
	}
	plural := "s"
	if len(warnings) == 1 {
		plural = ""
	}
	fmt.Fprintf(w, "\n %d warning%s found:\n", len(warnings), plural)
	for _, warning := range warnings {
		fmt.Fprintf(w, " - %s: %s", warning.Rule, warning.Text)
		if warning.Location.Line > 0 {
			fmt.Fprintf(w, " (line %d)", warning.Location.Line)
		}
		fmt.Fprintln(w)
	}
}
