// Package progress shows how far a transfer or a build is: lines that are
// redrawn in place on a terminal, plain lines, one per step, anywhere else.
package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"cove/internal/cli/terminal"
)

// Screen is where progress goes.
type Screen struct {
	Out io.Writer
	// Size tells the terminal's size; nil is no terminal.
	Size func() (cols, rows int)
	// Color allows colours.
	Color bool
}

// ScreenOf finds out what out is. NO_COLOR is respected.
func ScreenOf(out io.Writer) Screen {
	s := Screen{Out: out}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return s
	}
	s.Color = os.Getenv("NO_COLOR") == ""
	s.Size = func() (int, int) {
		cols, rows, err := term.GetSize(int(f.Fd()))
		if err != nil || cols <= 0 || rows <= 0 {
			return 80, 24
		}
		return cols, rows
	}
	return s
}

const (
	dim   = "2"
	red   = "31"
	blue  = "34"
	frame = 100 * time.Millisecond

	yellow = "33"
)

// line is one line of a terminal: clean text, and the colour of all of it.
type line struct{ text, color string }

// render cuts a line to the terminal's width and paints it.
func (s Screen) render(l line, cols int) string {
	text := terminal.Cut(l.text, cols)
	if !s.Color || l.color == "" {
		return text
	}
	return "\x1b[" + l.color + "m" + text + "\x1b[0m"
}

// live is a block of lines at the bottom of a terminal. Lines that are
// finished scroll away above it. It is safe for concurrent use.
type live struct {
	screen Screen
	// draw makes the block, of at most so many lines, called under mu.
	draw func(rows int) []line

	mu      sync.Mutex
	above   bytes.Buffer // finished lines that are not written yet
	drawn   []int        // the cells of each line of the block as it was drawn
	dirty   bool
	stop    chan struct{}
	stopped chan struct{}
}

func newLive(s Screen, draw func(rows int) []line) *live {
	l := &live{screen: s, draw: draw, stop: make(chan struct{}), stopped: make(chan struct{})}
	go l.loop()
	return l
}

func (l *live) loop() {
	defer close(l.stopped)
	tick := time.NewTicker(frame)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.redraw()
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// finish puts a line above the block. The caller holds mu.
func (l *live) finish(line line) {
	cols, _ := l.screen.Size()
	fmt.Fprintln(&l.above, l.screen.render(line, cols))
	l.dirty = true
}

// redraw writes one frame in one write, so that it does not flicker. The
// caller holds mu.
func (l *live) redraw() {
	cols, rows := l.screen.Size()
	block := l.draw(rows - 1)
	if !l.dirty && len(l.drawn) == 0 && len(block) == 0 {
		return
	}
	if hidden := len(block) - (rows - 1); hidden > 0 {
		block = append(slices.Clip(block[:max(rows-2, 0)]),
			line{text: fmt.Sprintf("… and %d more", hidden+1)})[:max(rows-1, 0)]
	}
	var b bytes.Buffer
	// Row by row: what is erased to the screen's end from its top, some
	// terminals keep in their history.
	for range min(l.height(cols), rows-1) {
		b.WriteString("\x1b[A\x1b[2K")
	}
	b.WriteByte('\r')
	b.Write(l.above.Bytes())
	l.drawn = l.drawn[:0]
	for _, line := range block {
		b.WriteString(l.screen.render(line, cols))
		b.WriteByte('\n')
		l.drawn = append(l.drawn, terminal.Width(terminal.Cut(line.text, cols)))
	}
	_, _ = l.screen.Out.Write(b.Bytes()) // progress that cannot be shown is no reason to fail
	l.above.Reset()
	l.dirty = false
}

// height is how many rows the block takes now: a terminal that became narrower
// has wrapped its lines.
func (l *live) height(cols int) int {
	n := 0
	for _, width := range l.drawn {
		n += max(1, (width+cols-1)/cols)
	}
	return n
}

// close draws what is left and ends.
func (l *live) close() {
	close(l.stop)
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty = true
	l.redraw()
}
