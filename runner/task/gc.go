package task

import (
	"runtime/debug"
	"time"
)

// startup is how long no garbage is collected. Most containers live no longer, also
// when as many as the machine can bear start at once.
const startup = time.Second

// TuneGC sets the garbage collector of a process that is the parent of a container:
// off while the container starts, and after that so that the heap stays small, for
// there may be thousands of such processes. A memory limit would not do: the Go
// runtime alone is near any limit worth having, and would collect without end.
// The caller calls done at the end.
func TuneGC() (done func()) {
	debug.SetGCPercent(-1)
	timer := time.AfterFunc(startup, func() {
		debug.SetGCPercent(10)
		FreeMemory()
	})
	return func() { timer.Stop() }
}
