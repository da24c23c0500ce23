// Package progress shows how far a transfer or a build is: lines that are
// redrawn in place on a terminal, plain lines, one per step, anywhere else.
package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
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
)

func (s Screen) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// live is a block of lines at the bottom of a terminal. Lines that are
// finished scroll away above it. It is safe for concurrent use.
type live struct {
	screen Screen
	draw   func() []string // the block, called under mu

	mu      sync.Mutex
	above   bytes.Buffer // finished lines that are not written yet
	drawn   int
	dirty   bool
	stop    chan struct{}
	stopped chan struct{}
}

func newLive(s Screen, draw func() []string) *live {
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
func (l *live) finish(line string) {
	fmt.Fprintln(&l.above, line)
	l.dirty = true
}

// redraw writes one frame in one write, so that it does not flicker. The
// caller holds mu.
func (l *live) redraw() {
	block := l.draw()
	if !l.dirty && l.drawn == 0 && len(block) == 0 {
		return
	}
	cols, rows := l.screen.Size()
	if hidden := len(block) - (rows - 1); hidden > 0 {
		block = append(slices.Clip(block[:max(rows-2, 0)]), fmt.Sprintf("… and %d more", hidden+1))
	}
	var b bytes.Buffer
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", l.drawn)
	}
	b.WriteString("\x1b[J")
	b.Write(l.above.Bytes())
	for _, line := range block {
		b.WriteString(cut(line, cols))
		b.WriteByte('\n')
	}
	_, _ = l.screen.Out.Write(b.Bytes()) // progress that cannot be shown is no reason to fail
	l.above.Reset()
	l.drawn, l.dirty = len(block), false
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

// cut shortens a line to the terminal's width; colours take none of it.
func cut(line string, cols int) string {
	var b strings.Builder
	width, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case width == cols:
			continue
		case r < ' ':
			r = ' '
			width++
		default:
			width++
		}
		b.WriteRune(r)
	}
	return b.String()
}
