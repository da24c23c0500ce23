// Package progress shows how far a transfer is: lines that are redrawn in place on
// a terminal, plain lines, one per step, anywhere else. What it draws with serves
// builds too (progress/steps).
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

// The colours of a Line.
const (
	Dim    = "2"
	Red    = "31"
	Yellow = "33"
	Blue   = "34"
)

const frame = 100 * time.Millisecond

// Line is one line of a terminal: clean text, and the colour of all of it.
type Line struct{ Text, Color string }

// render cuts a line to the terminal's width and paints it.
func (s Screen) render(l Line, cols int) string {
	text := terminal.Cut(l.Text, cols)
	if !s.Color || l.Color == "" {
		return text
	}
	return "\x1b[" + l.Color + "m" + text + "\x1b[0m"
}

// Live is a block of lines at the bottom of a terminal. Lines that are
// finished scroll away above it. Its lock is that of what draw shows, too.
type Live struct {
	screen Screen
	// draw makes the block, of at most so many lines, called under the lock.
	draw func(rows int) []Line

	sync.Mutex
	above   bytes.Buffer // finished lines that are not written yet
	drawn   []int        // the cells of each line of the block as it was drawn
	dirty   bool
	stop    chan struct{}
	stopped chan struct{}
}

// NewLive begins to show what draw makes; Close ends it.
func NewLive(s Screen, draw func(rows int) []Line) *Live {
	l := &Live{screen: s, draw: draw, stop: make(chan struct{}), stopped: make(chan struct{})}
	go l.loop()
	return l
}

func (l *Live) loop() {
	defer close(l.stopped)
	tick := time.NewTicker(frame)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.Lock()
			l.redraw()
			l.Unlock()
		case <-l.stop:
			return
		}
	}
}

// Touch says that the block has changed. The caller holds the lock.
func (l *Live) Touch() { l.dirty = true }

// Above puts plain text above the block. The caller holds the lock.
func (l *Live) Above(text string) {
	fmt.Fprintln(&l.above, text)
	l.dirty = true
}

// Finish puts a line above the block. The caller holds the lock.
func (l *Live) Finish(line Line) {
	cols, _ := l.screen.Size()
	fmt.Fprintln(&l.above, l.screen.render(line, cols))
	l.dirty = true
}

// redraw writes one frame in one write, so that it does not flicker. The
// caller holds the lock.
func (l *Live) redraw() {
	cols, rows := l.screen.Size()
	block := l.draw(rows - 1)
	if !l.dirty && len(l.drawn) == 0 && len(block) == 0 {
		return
	}
	if hidden := len(block) - (rows - 1); hidden > 0 {
		block = append(slices.Clip(block[:max(rows-2, 0)]),
			Line{Text: fmt.Sprintf("… and %d more", hidden+1)})[:max(rows-1, 0)]
	}
	var b bytes.Buffer
	l.erase(&b, cols, rows)
	b.Write(l.above.Bytes())
	for _, line := range block {
		b.WriteString(l.screen.render(line, cols))
		b.WriteByte('\n')
		l.drawn = append(l.drawn, terminal.Width(terminal.Cut(line.Text, cols)))
	}
	_, _ = l.screen.Out.Write(b.Bytes()) // progress that cannot be shown is no reason to fail
	l.above.Reset()
	l.dirty = false
}

// erase takes the block away.
func (l *Live) erase(b *bytes.Buffer, cols, rows int) {
	// Row by row: what is erased to the screen's end from its top, some
	// terminals keep in their history.
	for range min(l.height(cols), rows-1) {
		b.WriteString("\x1b[A\x1b[2K")
	}
	b.WriteByte('\r')
	l.drawn = l.drawn[:0]
}

// Clear takes the block away until it is drawn again, below what is written meanwhile.
// The caller holds the lock.
func (l *Live) Clear() {
	cols, rows := l.screen.Size()
	var b bytes.Buffer
	l.erase(&b, cols, rows)
	b.Write(l.above.Bytes())
	_, _ = l.screen.Out.Write(b.Bytes()) // as in redraw
	l.above.Reset()
	l.dirty = true
}

// height is how many rows the block takes now: a terminal that became narrower
// has wrapped its lines.
func (l *Live) height(cols int) int {
	n := 0
	for _, width := range l.drawn {
		n += max(1, (width+cols-1)/cols)
	}
	return n
}

// Close draws what is left and ends.
func (l *Live) Close() {
	close(l.stop)
	<-l.stopped
	l.Lock()
	defer l.Unlock()
	l.dirty = true
	l.redraw()
}
