package limit_test

import (
	"sync/atomic"
	"testing"

	"cove/internal/limit"
)

func TestToCores(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 1000} {
		var done [1000]atomic.Int32
		limit.ToCores(n, func(i int) { done[i].Add(1) })
		for i := range done {
			if times := int(done[i].Load()); times != min(max(n-i, 0), 1) {
				t.Errorf("of %d, %d was done %d times", n, i, times)
			}
		}
	}
}
