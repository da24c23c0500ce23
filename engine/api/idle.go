package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// UntilIdle is a handler, and a context that ends when that has answered no request for
// a while. A stream that was taken over, as that of an attach, is a request until its end.
func UntilIdle(ctx context.Context, h http.Handler, after time.Duration) (context.Context, http.Handler) {
	ctx, cancel := context.WithCancel(ctx)
	i := &idle{next: h}
	i.timer = time.AfterFunc(after, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.busy == 0 {
			cancel()
		}
	})
	i.after = after
	return ctx, i
}

// idle counts the requests that are being answered.
type idle struct {
	next  http.Handler
	after time.Duration
	timer *time.Timer

	mu   sync.Mutex
	busy int
}

// ServeHTTP answers a request.
func (i *idle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.count(1)
	defer i.count(-1)
	i.next.ServeHTTP(w, r)
}

func (i *idle) count(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy += n; i.busy == 0 {
		i.timer.Reset(i.after)
	}
}
