package monitor

import (
	"sync"
	"time"

	"cove/runner/task"
)

// scavenger returns free memory to the kernel a while after it was needed, so that
// one exec, or much output at once, does not enlarge the monitor until the container
// ends.
type scavenger struct {
	mu    sync.Mutex
	timer *time.Timer
	bytes int // of output, since memory was returned
}

const (
	scavengeDelay  = time.Second
	scavengeOutput = 32 << 20
)

// schedule returns memory as soon as it was not called for scavengeDelay.
func (s *scavenger) schedule() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		s.timer = time.AfterFunc(scavengeDelay, task.FreeMemory)
		return
	}
	s.timer.Reset(scavengeDelay)
}

// count adds n bytes of output, and returns memory after every scavengeOutput of
// them.
func (s *scavenger) count(n int) {
	s.mu.Lock()
	s.bytes += n
	due := s.bytes >= scavengeOutput
	if due {
		s.bytes = 0
	}
	s.mu.Unlock()
	if due {
		task.FreeMemory()
		s.schedule() // once more after the last output
	}
}
