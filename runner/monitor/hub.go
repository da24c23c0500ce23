package monitor

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"cove/events"
	"cove/runner/attach"
	"cove/runner/logs"
	"cove/runner/record"
	"cove/runner/told"
)

// hub passes what the container prints to its log and to every client, and
// what clients type to the container.
type hub struct {
	dir    record.Dir
	log    *logs.Writer // nil keeps none
	memory scavenger
	told   func() told.Teller

	mu      sync.Mutex
	clients map[*client]struct{}
	stdin   *os.File // nil when closed, or not asked for
	stays   bool     // stdin is open until the container ends
	console *os.File // of a terminal; also what is written to
	logErr  error
	ended   bool
	final   record.ExitStatus
}

// pump passes on one stream until its end.
func (h *hub) pump(t attach.Type, from io.Reader) {
	buf := make([]byte, attach.MaxData)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			h.output(t, buf[:n])
			h.memory.count(n)
		}
		if err != nil {
			return // EOF; of a terminal EIO, when its last process is gone
		}
	}
}

func (h *hub) output(t attach.Type, data []byte) {
	if h.log != nil {
		name := "stdout"
		if t == attach.TypeStderr {
			name = "stderr"
		}
		if err := h.log.Write(name, data); err != nil {
			h.mu.Lock()
			h.logErr = err // told with the exit; the container goes on
			h.mu.Unlock()
		}
	}
	for _, c := range h.snapshot() {
		if c.output {
			c.send(t, data)
		}
	}
}

func (h *hub) snapshot() []*client {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		all = append(all, c)
	}
	return all
}

// add lets a client take part. One that comes after the end is told of it.
func (h *hub) add(c *client) {
	h.mu.Lock()
	ended := h.ended
	if !ended {
		h.clients[c] = struct{}{}
	}
	h.mu.Unlock()
	if ended {
		c.finish(attach.TypeExit, h.final)
	}
}

func (h *hub) remove(c *client) {
	h.mu.Lock()
	delete(h.clients, c)
	h.mu.Unlock()
	c.close()
}

// serve reads what a client sends until it goes.
func (h *hub) serve(c *client) {
	for {
		p, err := c.conn.Receive(true)
		if err != nil {
			h.remove(c)
			return
		}
		for _, f := range p.Files {
			f.Close() // only a Hello comes with files
		}
		switch p.Type {
		case attach.TypeStdin:
			if in := h.input(); in != nil {
				_, _ = in.Write(p.Data) // fails if the container has closed its stdin
			}
		case attach.TypeEOF:
			if !h.stays {
				h.closeStdin()
			}
		case attach.TypeResize:
			if rows, cols, ok := p.Size(); ok && h.resize(rows, cols) {
				h.told().Tell(events.Resize, "height", strconv.Itoa(int(rows)), "width", strconv.Itoa(int(cols)))
			}
		}
	}
}

func (h *hub) input() *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.console != nil {
		return h.console
	}
	return h.stdin
}

func (h *hub) closeStdin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stdin != nil {
		h.stdin.Close()
		h.stdin = nil
	}
}

// resize gives the terminal another size, if there is one.
func (h *hub) resize(rows, cols uint16) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.console == nil {
		return false
	}
	raw, err := h.console.SyscallConn()
	if err != nil {
		return false
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	return err == nil && cerr == nil // else the terminal is gone
}

// release lets pumps that wait for a lossless client go on to the end.
func (h *hub) release() {
	for _, c := range h.snapshot() {
		c.end()
	}
}

// closeLog records the last partial lines.
func (h *hub) closeLog() error {
	if h.log == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.logErr, h.log.Close())
}

// end tells every client, at once, how the container ended, and waits until
// they know.
func (h *hub) end(status record.ExitStatus) {
	h.mu.Lock()
	h.ended, h.final = true, status
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range h.snapshot() {
		wg.Go(func() { c.finish(attach.TypeExit, status) })
	}
	wg.Wait()
}
