package task

import (
	"runtime/debug"
	"time"
)

// settled is when a container is taken for one that stays.
const settled = 200 * time.Millisecond

// Thrifty makes a process that is the parent of a container collect no garbage
// while it starts, which is as long as most containers live, and then keep its
// heap small: there may be thousands of them. (A memory limit instead would make
// it collect without end: the Go runtime alone is near any limit worth having.)
// Whoever calls it calls done at the end.
func Thrifty() (done func()) {
	debug.SetGCPercent(-1)
	timer := time.AfterFunc(settled, func() {
		debug.SetGCPercent(10)
		debug.FreeOSMemory()
	})
	return func() { timer.Stop() }
}
