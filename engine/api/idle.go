package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Idle is a handler that knows when nobody has asked anything for a while. A stream
// that was taken over, as that of an attach, is a request until its end; so is a
// connection over which nothing was asked yet.
type Idle struct {
	next  http.Handler
	after time.Duration
	timer *time.Timer
	done  chan struct{}

	mu    sync.Mutex
	busy  int
	conns map[net.Conn]bool // those that count
	ended bool
}

// NewIdle has requests answered by next, until there was none for so long.
func NewIdle(next http.Handler, after time.Duration) *Idle {
	i := &Idle{next: next, after: after, done: make(chan struct{}), conns: map[net.Conn]bool{}}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer = time.AfterFunc(after, i.end)
	return i
}

func (i *Idle) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy == 0 && !i.ended {
		i.ended = true
		close(i.done)
	}
}

// ServeHTTP answers a request.
func (i *Idle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.count(1)
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.count(-1)
	}()
	i.next.ServeHTTP(w, r)
}

// connState is told by the server what its connections do.
func (i *Idle) connState(c net.Conn, s http.ConnState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	counts := s == http.StateNew || s == http.StateActive
	switch {
	case counts && !i.conns[c]:
		i.conns[c] = true
		i.count(1)
	case !counts && i.conns[c]:
		delete(i.conns, c)
		i.count(-1)
	}
}

func (i *Idle) count(n int) {
	if i.busy += n; i.busy == 0 {
		i.timer.Reset(i.after)
	}
}

// finish waits for requests that came while the server was told to end.
func (i *Idle) finish(ctx context.Context) {
	const look = 20 * time.Millisecond
	for i.isBusy() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
	}
}

func (i *Idle) isBusy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.busy > 0
}
