package throttle_test

import (
	"fmt"
	"time"

	"cove/registry/auth/throttle"
)

// A guesser waits longer and longer; an account that is known at the same address does not.
func Example() {
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	t := throttle.New(func() time.Time { return now })
	office := "192.0.2.1"
	t.Succeeded(&throttle.Attempt{Name: "anna", Address: office})

	var waits []time.Duration
	for range 2 * throttle.TriesByPair {
		guess := &throttle.Attempt{Name: "admin", Address: office}
		_, wait := t.Delay(guess)
		waits = append(waits, wait)
		t.Failed(guess)
	}
	fmt.Println("the guesser:", waits[0], "then longer:", waits[len(waits)-1] > waits[0])
	known, wait := t.Delay(&throttle.Attempt{Name: "anna", Address: office})
	fmt.Println("anna:", known, wait)
	// Output:
	// the guesser: 0s then longer: true
	// anna: true 0s
}
