package monitor

import (
	"runtime/debug"
	"sync"
	"time"
)

// tidier gives memory back to the kernel a while after it was needed: what one
// exec or one flood of output took should not stay for the container's life.
type tidier struct {
	mu    sync.Mutex
	timer *time.Timer
	bytes int
}

const (
	tidyAfter = time.Second
	tidyBytes = 32 << 20
)

// later tidies when nothing more has happened for a second.
func (t *tidier) later() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil {
		t.timer = time.AfterFunc(tidyAfter, debug.FreeOSMemory)
		return
	}
	t.timer.Reset(tidyAfter)
}

// passed counts output, and tidies now and then.
func (t *tidier) passed(n int) {
	t.mu.Lock()
	t.bytes += n
	due := t.bytes >= tidyBytes
	if due {
		t.bytes = 0
	}
	t.mu.Unlock()
	if due {
		debug.FreeOSMemory()
		t.later() // once more when the flood has ended
	}
}
