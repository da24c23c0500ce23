package command

import (
	"strings"
	"sync"
)

// Error is a command that failed, with the last lines that it wrote: they are
// for those who have not seen them.
type Error struct {
	Err  error // mostly an *ExitError
	Tail []string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Tail keeps the last lines of what a command wrote.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

const (
	tailBytes = 16 << 10
	tailLines = 20
)

// Add takes what was written.
func (t *Tail) Add(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
}

// Lines are the last ones so far.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimRight(string(t.buf), "\r\n")
	if text == "" {
		return nil
	}
	ls := strings.Split(text, "\n")
	return ls[max(0, len(ls)-tailLines):]
}
