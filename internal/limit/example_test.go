package limit_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"cove/internal/limit"
)

// A few at once, and the first error stops the rest.
func ExampleEach() {
	var sum atomic.Int64
	err := limit.Each(context.Background(), 3, slices.Values([]int64{1, 2, 3, 4}), func(_ context.Context, n int64) error {
		sum.Add(n)
		return nil
	})
	fmt.Println(sum.Load(), err)
	// Output: 10 <nil>
}
