package limit

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// ToCores calls work for 0 to n-1, in no order, as many at once as there are cores.
func ToCores(n int, work func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	workers.Wait()
}
