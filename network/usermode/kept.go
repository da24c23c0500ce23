package usermode

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cove/network/publish"
)

// Connection is a namespace that is served: by another program when one was killed, since
// nobody else would notice that a container has no network any more. It ends with the process
// that has made it.
type Connection struct {
	// Ports are those published, with the numbers that were chosen.
	Ports []publish.Port

	namespace *os.File
	with      way
	closing   chan struct{}
	watched   chan struct{} // closed when nothing is started any more

	closed sync.Once

	mu  sync.Mutex
	now *served
}

// How long after the end of a program another one is started. It doubles while they do not last.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = time.Minute
	lasting   = 10 * time.Second
)

// keep sees to it that a namespace, of which it has a copy, stays served as it is.
func keep(s *served, namespace *os.File, with way) (*Connection, error) {
	fd, err := unix.FcntlInt(namespace.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		s.end()
		return nil, fmt.Errorf("network: %w", err)
	}
	c := &Connection{
		Ports: s.ports, namespace: os.NewFile(uintptr(fd), namespace.Name()), with: with, now: s,
		closing: make(chan struct{}), watched: make(chan struct{}),
	}
	go c.watch(s)
	return c, nil
}

// watch starts a program whenever one has ended.
func (c *Connection) watch(s *served) {
	defer close(c.watched)
	wait, began := firstWait, time.Now()
	for {
		<-s.ended
		if time.Since(began) > lasting {
			wait = firstWait
		}
		select {
		case <-c.closing:
			return
		case <-time.After(wait):
		}
		wait, began = min(2*wait, lastWait), time.Now()
		// The same ports, unless somebody has taken them meanwhile: then it tries again.
		if next, err := c.with(c.namespace, c.Ports, func() {}); err == nil {
			s = next
			c.mu.Lock()
			c.now = s
			c.mu.Unlock()
		}
	}
}

// Close ends the program, and with it the connections and the ports.
func (c *Connection) Close() error {
	if c == nil {
		return nil
	}
	c.closed.Do(func() {
		close(c.closing)
		c.end()
		<-c.watched
		c.end() // one that was just being started
		c.namespace.Close()
	})
	return nil
}

func (c *Connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.end()
}
