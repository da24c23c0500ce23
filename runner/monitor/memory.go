package monitor

import "runtime/debug"

// Tune keeps the heap small: a monitor lives as long as its container, and
// there may be thousands. It sets no memory limit: one near what starting takes
// makes the collector run without end, and a start ten times slower.
func Tune() { debug.SetGCPercent(50) }

// trim gives back what starting needed.
func trim() { debug.FreeOSMemory() }
