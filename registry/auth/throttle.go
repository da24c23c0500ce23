package auth

import (
	"sync"
	"time"
)

// A wrong password makes the next try wait, longer each time, until none was
// wrong for a while.
//
// Three things are counted, because a guesser may sit behind the same address as
// everybody else, or behind many. An account from one address is counted
// closely: it waits, or is refused when the wait is too long to hold a
// connection for. An account from all addresses together, and an address with
// all its accounts, are counted loosely. An address is slowed down and never
// refused: an office or a proxy is one address. An account that has signed in
// from an address before is known there, and only ever slowed down.
const (
	throttleWindow = 15 * time.Minute
	triesByPair    = 10
	triesByAccount = 100
	triesByAddress = 100

	firstDelay = time.Second
	maxDelay   = time.Minute
	maxPause   = 2 * time.Second

	// maxGuessers and maxKnown bound what strangers can make us remember.
	maxGuessers = 16384
	maxKnown    = 16384
)

type throttle struct {
	now   func() time.Time
	mu    sync.Mutex
	tries map[string]*tries
	known map[string]bool // pairs
}

type tries struct {
	failed int
	last   time.Time
}

func newThrottle(now func() time.Time) throttle {
	return throttle{now: now, tries: map[string]*tries{}, known: map[string]bool{}}
}

// The keys cannot be taken for one another: no name and no address has a NUL.
func pair(name, address string) string { return "pair\x00" + address + "\x00" + name }
func account(name string) string       { return "account\x00" + name }
func origin(address string) string     { return "address\x00" + address }

// delay is how long the next try for an account from an address has to wait,
// and whether it is known there.
func (t *throttle) delay(name, address string) (known bool, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known = t.known[pair(name, address)]
	own := t.waitFor(pair(name, address), triesByPair)
	slowed := min(maxPause, t.waitFor(origin(address), triesByAddress))
	if known {
		return true, min(maxPause, own)
	}
	return false, max(own, slowed, t.waitFor(account(name), triesByAccount))
}

// waitFor doubles the delay with each failure after so many.
func (t *throttle) waitFor(key string, free int) time.Duration {
	e := t.tries[key]
	if e == nil || e.failed < free || t.over(e) {
		return 0
	}
	delay := min(maxDelay, firstDelay<<min(e.failed-free, 16))
	return max(0, delay-t.now().Sub(e.last))
}

func (t *throttle) over(e *tries) bool { return t.now().Sub(e.last) >= throttleWindow }

func (t *throttle) failed(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tries) >= maxGuessers {
		t.sweep()
	}
	for _, key := range []string{pair(name, address), account(name), origin(address)} {
		e := t.tries[key]
		if e == nil || t.over(e) {
			e = &tries{}
			t.tries[key] = e
		}
		e.failed++
		e.last = t.now()
	}
}

func (t *throttle) succeeded(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, pair(name, address))
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[pair(name, address)] = true
}

// sweep forgets what is over, and everything when that is not enough.
func (t *throttle) sweep() {
	for key, e := range t.tries {
		if t.over(e) {
			delete(t.tries, key)
		}
	}
	if len(t.tries) >= maxGuessers {
		clear(t.tries)
	}
}
