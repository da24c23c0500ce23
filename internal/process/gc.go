package process

import (
	"math"
	"runtime"
	"runtime/debug"
)

// CollectLate collects no garbage before the process has so many bytes of memory, and
// from then on as usual. The Go runtime alone begins at 4 MiB: a command that is over in
// a moment would spend much of it on garbage that ends with the process anyway.
func CollectLate(bytes int64) {
	first := new([16]byte) // of a size that shares its memory with no other
	runtime.SetFinalizer(first, func(*[16]byte) {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	debug.SetMemoryLimit(bytes)
	debug.SetGCPercent(-1)
}
