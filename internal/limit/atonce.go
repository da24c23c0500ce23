package limit

import (
	"errors"
	"sync"
)

// AtOnce makes some calls at once and returns when all have ended. A panic of one goes on
// in the caller, as if that had made the call.
func AtOnce(calls ...func() error) error {
	errs, panics := make([]error, len(calls)), make([]any, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = call()
		})
	}
	running.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p) //nolint:forbidigo // one that was caught above
		}
	}
	return errors.Join(errs...)
}
