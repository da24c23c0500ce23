// Package throttle slows down who guesses passwords, and nobody else.
//
// A wrong password makes the next try wait, longer each time, until none was
// wrong for a while.
//
// Three things are counted, because a guesser may sit behind the same address as
// everybody else, or behind many. An account from one address is counted
// closely: a short wait is waited, a long one refused. An account from all
// addresses together is counted loosely. An address with all its accounts is
// counted too, but never refused or slowed as a whole, for an office or a proxy
// is one address: after many failures each account that is new there has fewer
// tries. An account that has signed in from an address before is known there: it
// is only ever slowed down, and by nothing but its own failures from there.
package throttle

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	window         = 15 * time.Minute
	TriesByPair    = 10
	TriesByAccount = 100
	TriesByAddress = 100
	TriesOfCrowd   = 2 // of a new account, from an address with so many failures

	FirstDelay = time.Second
	MaxDelay   = time.Minute
	MaxPause   = 2 * time.Second

	// RememberedFor is how long a password that was right is not hashed again:
	// clients without tokens send it with every request.
	RememberedFor = time.Minute

	longestName = 64 // of an account

	// maxGuessers and maxKnown bound what strangers can make us remember.
	maxGuessers = 16384
	maxKnown    = 16384
)

// Throttle counts failures and remembers successes. It is safe for concurrent use.
type Throttle struct {
	now   func() time.Time
	mu    sync.Mutex
	tries map[string]*tries
	known map[string]*known               // by pair
	right map[[sha256.Size]byte]time.Time // until when a password is not hashed again, from wherever it comes
}

type tries struct {
	failed int
	last   time.Time
}

// known is an account at an address that it has signed in from.
type known struct {
	mark  [sha256.Size]byte // of the password that was right
	until time.Time         // when it is hashed again
}

// New returns a Throttle that has seen nothing.
func New(now func() time.Time) *Throttle {
	return &Throttle{
		now: now, tries: map[string]*tries{}, known: map[string]*known{},
		right: map[[sha256.Size]byte]time.Time{},
	}
}

// short bounds the names that strangers make up.
func short(name string) string { return name[:min(len(name), longestName+1)] }

// Attempt is one try at signing in.
type Attempt struct {
	Name, Address string
	Mark          [sha256.Size]byte // of the password
	counted       bool              // as a failure
}

// Pair is the key of the account at the address. The keys cannot be taken for one
// another: no name and no address has a NUL.
func (a *Attempt) Pair() string { return "pair\x00" + a.Address + "\x00" + short(a.Name) }

// Origin is the key of the address.
func (a *Attempt) Origin() string { return "address\x00" + a.Address }

// Password is the key of the password for the account. The name is part of it: guesses at accounts that are not there
// must not wait for one another where guesses at those that are do not.
func (a *Attempt) Password() string {
	return "password\x00" + short(a.Name) + "\x00" + string(a.Mark[:])
}

func (a *Attempt) account() string { return "account\x00" + short(a.Name) }

// Remembered reports whether the password was right a moment ago, for this
// account from this address. Whoever misses such a memory is counted at once,
// and too many misses end it: otherwise guesses would be compared with it for
// nothing, as fast as they come.
func (t *Throttle) Remembered(a *Attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[a.Pair()]
	if k == nil || !t.now().Before(k.until) {
		return false
	}
	if k.mark != a.Mark {
		t.count(a)
		return false
	}
	e := t.tries[a.Pair()]
	return e == nil || t.over(e) || e.failed < TriesByPair
}

// Vouched reports whether the password was right a moment ago from another address, and has the account be known at
// this one. A cluster comes with one password from all of its machines, in the same moment: a hash for each would keep
// the processors busy for minutes. Who asks has waited as long as Delay says.
func (t *Throttle) Vouched(a *Attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.right[a.Mark]
	if !ok || !t.now().Before(until) {
		return false
	}
	t.succeeded(a, until)
	return true
}

// Forget has every password be checked again at its next use.
func (t *Throttle) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.right)
	for _, k := range t.known {
		k.until = time.Time{}
	}
}

// Delay is how long the attempt has to wait, and whether its account is known at
// its address.
func (t *Throttle) Delay(a *Attempt) (isKnown bool, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[a.Pair()] != nil {
		return true, min(MaxPause, t.waitFor(a.Pair(), TriesByPair))
	}
	free := TriesByPair
	if e := t.tries[a.Origin()]; e != nil && e.failed >= TriesByAddress && !t.over(e) {
		free = TriesOfCrowd
	}
	return false, max(t.waitFor(a.Pair(), free), t.waitFor(a.account(), TriesByAccount))
}

// waitFor doubles the delay with each failure after so many.
func (t *Throttle) waitFor(key string, free int) time.Duration {
	e := t.tries[key]
	if e == nil || e.failed < free || t.over(e) {
		return 0
	}
	delay := min(MaxDelay, FirstDelay<<min(e.failed-free, 16))
	return max(0, delay-t.now().Sub(e.last))
}

func (t *Throttle) over(e *tries) bool { return t.now().Sub(e.last) >= window }

// Failed counts the attempt, once.
func (t *Throttle) Failed(a *Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(a)
}

func (t *Throttle) count(a *Attempt) {
	if a.counted {
		return
	}
	a.counted = true
	for _, key := range []string{a.Pair(), a.account(), a.Origin()} {
		e := t.tries[key]
		if e == nil || t.over(e) {
			if e == nil && len(t.tries) >= maxGuessers {
				t.forgetLeast()
			}
			e = &tries{}
			t.tries[key] = e
		}
		e.failed++
		e.last = t.now()
	}
}

// Succeeded makes the account known at the address. Its failures from there are
// forgiven to the last: were they forgotten, who guesses beside it would have as
// many tries again each time that its owner signs in.
func (t *Throttle) Succeeded(a *Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := t.now().Add(RememberedFor)
	if len(t.right) >= maxKnown {
		clear(t.right)
	}
	t.right[a.Mark] = until
	t.succeeded(a, until)
}

func (t *Throttle) succeeded(a *Attempt, until time.Time) {
	key := a.Pair()
	if e := t.tries[key]; e != nil {
		e.failed = min(e.failed, TriesByPair-1)
	}
	if t.known[key] == nil && len(t.known) >= maxKnown {
		for other := range t.known { // any
			delete(t.known, other)
			break
		}
	}
	t.known[key] = &known{mark: a.Mark, until: until}
}

// forgetLeast makes room by what matters least among a few: what is over, or has
// the fewest failures. So a flood of made-up names drives out itself, and not
// the count of the address that it comes from.
func (t *Throttle) forgetLeast() {
	const sample = 16
	least, fewest, seen := "", 0, 0
	for key, e := range t.tries {
		failed := e.failed
		if t.over(e) {
			failed = 0
		}
		if least == "" || failed < fewest {
			least, fewest = key, failed
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(t.tries, least)
}
