package monitor

import "runtime/debug"

// Tune keeps the heap small: a monitor lives as long as its container, and
// there may be thousands.
func Tune() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(4 << 20)
}

// trim gives back what starting needed.
func trim() { debug.FreeOSMemory() }
