// Package steps shows a build: its steps as they go, what went wrong, and where in
// the Dockerfile. It is apart from package progress because it links the builder.
package steps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"cove/engine/builds"
	"cove/internal/cli/progress"
	"cove/internal/cli/terminal"
)

const (
	tailShown  = 6  // lines of a running command on a terminal
	tailFailed = 30 // lines of a command that failed
)

// Build shows the events of a build, as BuildKit does: numbered plain lines,
// or on a terminal a list of the steps with the end of their output. Nothing
// that a step prints reaches a terminal but as text.
type Build struct {
	screen progress.Screen
	live   *progress.Live // nil where there is no terminal
	now    func() time.Time
	begun  time.Time
	// Explain says with each step why it was not cached.
	Explain bool

	mu    sync.Mutex
	steps map[int]*step
	order []*step // by index
	total int
	last  int // index of the step that printed last
	over  bool
}

type step struct {
	index   int
	name    string
	started time.Time
	took    time.Duration
	state   string // "" while it runs, or DONE, CACHED, ERROR, CANCELED
	partial []byte
	tail    []string
}

// New begins; Close ends it. plain asks for plain lines even on a
// terminal.
func New(s progress.Screen, plain bool, now func() time.Time) *Build {
	b := &Build{screen: s, now: now, begun: now(), steps: map[int]*step{}}
	if s.Size != nil && !plain {
		b.live = progress.NewLive(s, b.block)
	}
	return b
}

// Event takes one step of the build; it is a builds.Options.Progress.
func (b *Build) Event(e builds.Event) {
	mu := &b.mu
	if b.live != nil {
		mu = &b.live.Mutex
	}
	mu.Lock()
	defer mu.Unlock()
	b.total = max(b.total, e.Total)
	s := b.step(e)
	switch e.Kind {
	case builds.Started:
		b.header(s)
		if b.Explain && e.Reason != "" {
			b.log(s, e.Time, "not cached: "+e.Reason)
		}
	case builds.Log:
		s.write(e.Data, func(line string) { b.log(s, e.Time, line) })
	case builds.Cached:
		b.end(s, "CACHED", e)
	case builds.Done:
		b.end(s, "DONE", e)
	case builds.Failed:
		b.end(s, "ERROR", e)
	case builds.Canceled:
		b.end(s, "CANCELED", e)
	}
}

func (b *Build) step(e builds.Event) *step {
	s := b.steps[e.Index]
	if s == nil {
		s = &step{index: e.Index, started: e.Time}
		if e.Vertex != nil {
			s.name = terminal.Clean(strings.Join(strings.FieldsFunc(e.Vertex.Name,
				func(r rune) bool { return r == '\n' || r == '\r' }), " "))
		}
		b.steps[e.Index] = s
		at, _ := slices.BinarySearchFunc(b.order, s, func(a, b *step) int { return a.index - b.index })
		b.order = slices.Insert(b.order, at, s)
	}
	return s
}

// header names the step whose lines follow, once until another interrupts.
func (b *Build) header(s *step) {
	if b.live != nil {
		b.live.Touch()
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

func (b *Build) log(s *step, at time.Time, text string) {
	s.tail = append(s.tail, text)
	if len(s.tail) > tailFailed {
		s.tail = slices.Delete(s.tail, 0, len(s.tail)-tailFailed)
	}
	b.header(s)
	if b.live == nil {
		fmt.Fprintf(b.screen.Out, "#%d %.3f %s\n", s.index, at.Sub(s.started).Seconds(), text)
	}
}

// end notes how a step ended.
func (b *Build) end(s *step, state string, e builds.Event) {
	s.flush(func(line string) { b.log(s, e.Time, line) })
	s.state, s.took = state, e.Duration
	b.header(s)
	switch {
	case b.live != nil:
	case state == "DONE":
		fmt.Fprintf(b.screen.Out, "#%d DONE %.1fs\n", s.index, s.took.Seconds())
	case state == "ERROR":
		fmt.Fprintf(b.screen.Out, "#%d ERROR: %s\n", s.index, terminal.Clean(oneLine(e.Err.Error())))
	default:
		fmt.Fprintf(b.screen.Out, "#%d %s\n", s.index, state)
	}
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

// Output prints the end of what a failed command wrote, for those who have seen
// no progress.
func Output(w io.Writer, err error) {
	var failed *builds.RunError
	if !errors.As(err, &failed) {
		return
	}
	for _, line := range failed.Tail {
		fmt.Fprintln(w, terminal.Clean(line))
	}
}

// colors are those of the states of a step.
var colors = map[string]string{
	"DONE": progress.Blue, "CACHED": progress.Blue, "ERROR": progress.Red, "CANCELED": progress.Yellow,
}

// row is one step on a terminal, its time at the right.
func (b *Build) row(s *step, cols int) progress.Line {
	name, took := s.name, s.took
	switch s.state {
	case "":
		took = b.now().Sub(s.started)
	case "DONE":
	default:
		name = s.state + " " + name
	}
	return progress.Line{Text: aligned(" => "+name, took, cols), Color: colors[s.state]}
}

// aligned puts a time at the right of a text, as far as both have room.
func aligned(text string, took time.Duration, cols int) string {
	right := fmt.Sprintf(" %.1fs", took.Seconds())
	if cols <= 2*len(right) {
		return terminal.Cut(text, cols)
	}
	return terminal.Pad(terminal.Cut(text, cols-len(right)), cols-len(right)) + right
}

// block is the whole build: a header, and the steps, each with the end of its
// output while it runs. When that is more than rows, the steps that ended
// first are left out, and then output.
func (b *Build) block(rows int) []progress.Line {
	if b.over {
		return nil
	}
	cols, _ := b.screen.Size()
	steps := b.order
	tails := 0
	for _, s := range steps {
		tails += len(s.shown())
	}
	hide := 1 + len(steps) + tails - rows
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *step) bool {
		if hide <= 0 || s.state == "" || s.state == "ERROR" {
			return false
		}
		hide--
		return true
	})
	lines := []progress.Line{b.title("")}
	for _, s := range steps {
		lines = append(lines, b.row(s, cols))
		tail := s.shown()
		drop := min(max(hide, 0), len(tail))
		hide -= drop
		for _, text := range tail[drop:] {
			lines = append(lines, progress.Line{Text: " => => # " + text, Color: progress.Dim})
		}
	}
	return lines
}

// shown is the end of the output of a step that runs.
func (s *step) shown() []string {
	if s.state != "" {
		return nil
	}
	return s.tail[max(0, len(s.tail)-tailShown):]
}

// title is docker's header: how long, and how many steps of how many.
func (b *Build) title(end string) progress.Line {
	done := 0
	for _, s := range b.order {
		if s.state != "" {
			done++
		}
	}
	return progress.Line{Text: fmt.Sprintf("[+] Building %.1fs (%d/%d)%s", b.now().Sub(b.begun).Seconds(), done,
		max(b.total, len(b.order)), end)}
}

// Hold calls do while nothing is shown and whoever has something to tell waits: do has
// the terminal for itself.
func (b *Build) Hold(do func()) {
	if b.live == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		do()
		return
	}
	b.live.Lock()
	defer b.live.Unlock()
	b.live.Clear()
	do()
}

// Close shows the end, with what the steps that failed printed last; no event
// may come after it.
func (b *Build) Close() {
	if b.live == nil {
		b.failures(func(text string) { fmt.Fprintln(b.screen.Out, text) })
		return
	}
	b.live.Lock()
	cols, _ := b.screen.Size()
	b.live.Finish(b.title(" FINISHED"))
	for _, s := range b.order {
		b.live.Finish(b.row(s, cols))
	}
	b.failures(b.live.Above)
	b.over = true
	b.live.Unlock()
	b.live.Close()
}

// failures prints the output of the steps that failed.
func (b *Build) failures(show func(string)) {
	for _, s := range b.order {
		if s.state != "ERROR" || len(s.tail) == 0 {
			continue
		}
		show("------\n > " + s.name + ":")
		for _, text := range s.tail {
			show(text)
		}
		show("------")
	}
}

// write splits output into clean lines.
func (s *step) write(data []byte, line func(string)) {
	s.partial = append(s.partial, data...)
	for {
		i := bytes.IndexByte(s.partial, '\n')
		if i < 0 {
			break
		}
		line(terminal.Clean(string(s.partial[:i])))
		s.partial = s.partial[i+1:]
	}
	const longest = 64 << 10
	if len(s.partial) > longest {
		s.flush(line)
	}
}

func (s *step) flush(line func(string)) {
	if len(s.partial) > 0 {
		line(terminal.Clean(string(s.partial)))
	}
	s.partial = nil
}

// Warnings prints a build's advice.
func Warnings(w io.Writer, warnings []builds.Warning) {
	if len(warnings) == 0 {
		return
	}
	plural := "s"
	if len(warnings) == 1 {
		plural = ""
	}
	fmt.Fprintf(w, "\n %d warning%s found:\n", len(warnings), plural)
	for _, warning := range warnings {
		fmt.Fprintf(w, " - %s: %s", warning.Rule, terminal.Clean(warning.Text))
		if warning.Location.Line > 0 {
			fmt.Fprintf(w, " (line %d)", warning.Location.Line)
		}
		fmt.Fprintln(w)
	}
}
