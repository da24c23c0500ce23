package ship

import (
	"bytes"
	"errors"
	"sync"

	"github.com/docker/go-units"
)

// NonBlocking is the mode in which a container never waits for where its lines go.
const NonBlocking = "non-blocking"

// defaultBuffer is docker's max-buffer-size.
const defaultBuffer = 1 << 20

// BufferSize is how many bytes wait to be sent in that mode.
func BufferSize(options map[string]string) int64 {
	if n, err := units.RAMInBytes(options["max-buffer-size"]); err == nil && n > 0 {
		return n
	}
	return defaultBuffer
}

// queue sends messages beside whoever prints them. When they come faster than they go,
// the oldest are dropped.
type queue struct {
	to   Shipper
	size int64
	done chan struct{}

	mu      sync.Mutex
	more    sync.Cond
	waiting []Message
	bytes   int64
	closed  bool
	err     error
}

// Queued sends to another beside whoever prints; size is how many bytes may wait.
func Queued(to Shipper, size int64) Shipper {
	q := &queue{to: to, size: size, done: make(chan struct{})}
	q.more.L = &q.mu
	go q.run()
	return q
}

func (q *queue) run() {
	defer close(q.done)
	for {
		q.mu.Lock()
		for len(q.waiting) == 0 && !q.closed {
			q.more.Wait()
		}
		if len(q.waiting) == 0 {
			q.mu.Unlock()
			return
		}
		m := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.bytes -= int64(len(m.Text))
		q.mu.Unlock()
		if err := q.to.Send(m); err != nil {
			q.mu.Lock()
			q.err = err
			q.mu.Unlock()
		}
	}
}

// Send implements Shipper.
func (q *queue) Send(m Message) error {
	m.Text = bytes.Clone(m.Text)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, m)
	q.bytes += int64(len(m.Text))
	for q.bytes > q.size && len(q.waiting) > 1 {
		q.bytes -= int64(len(q.waiting[0].Text))
		q.waiting = q.waiting[1:]
	}
	q.more.Signal()
	err := q.err
	q.err = nil
	return err
}

// Close implements Shipper; it sends what still waits.
func (q *queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.more.Signal()
	q.mu.Unlock()
	<-q.done
	return errors.Join(q.err, q.to.Close())
}
