package monitor

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/monitor/spool"
)

// behind is how far a client may fall behind what the container prints.
const behind = 64 << 20

// client is one connection that gets output. What its socket does not take at
// once is spooled to disk, so that neither the container nor other clients wait for a
// stopped one.
type client struct {
	conn     *attach.Conn
	lossless bool
	output   bool // gets output, and not only the exit

	mu       sync.Mutex
	changed  *sync.Cond
	queue    spool.Spool
	draining bool // a goroutine empties the queue
	gone     bool
	ending   bool // the container has ended: its output does not wait for the client any more
}

func newClient(conn *attach.Conn, h attach.Hello, dir string) *client {
	c := &client{conn: conn, lossless: h.Lossless, output: h.Kind == attach.Attach, queue: spool.Spool{Dir: dir}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// send delivers a packet in order. It waits only for a lossless client that is
// too far behind; another one is cut off then.
func (c *client) send(t attach.Type, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.lossless && !c.gone && !c.ending && c.queue.Size() > behind {
		c.changed.Wait()
	}
	if c.gone {
		return
	}
	if !c.draining && c.trySend(t, data) {
		return
	}
	if (!c.lossless && c.queue.Size() > behind) || c.queue.Push(t, data) != nil {
		c.drop()
		return
	}
	if !c.draining {
		c.draining = true
		go c.drain()
	}
}

// trySend sends without waiting, and reports whether the packet is dealt with.
func (c *client) trySend(t attach.Type, data []byte) bool {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		c.drop()
		return true
	}
	packet := append([]byte{byte(t)}, data...)
	werr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
		return true
	})
	if err = errors.Join(werr, err); errors.Is(err, unix.EAGAIN) {
		return false
	}
	if err != nil {
		c.drop()
	}
	return true
}

// drain sends what is queued, waiting for the client as long as it takes.
func (c *client) drain() {
	buf := make([]byte, attach.MaxData)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.gone && c.queue.Size() > 0 {
		t, data, err := c.queue.Pop(buf)
		if err != nil {
			c.drop()
			break
		}
		c.mu.Unlock()
		err = c.conn.Send(t, data)
		c.mu.Lock()
		if err != nil {
			c.drop()
		}
		c.changed.Broadcast()
	}
	c.draining = false
	c.changed.Broadcast()
}

// drop disconnects the client; the caller holds the lock.
func (c *client) drop() {
	if !c.gone {
		c.gone = true
		c.conn.Close()
		c.changed.Broadcast()
	}
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	c.queue.Close()
}

// end frees a sender that waits for the client.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	c.changed.Broadcast()
}

// finish sends the last packet and waits until the client has everything or is
// gone.
func (c *client) finish(t attach.Type, v any) {
	data, err := leanjson.Marshal(v)
	if err == nil {
		c.send(t, data)
	}
	c.mu.Lock()
	for c.draining && !c.gone {
		c.changed.Wait()
	}
	c.mu.Unlock()
	c.close()
}
