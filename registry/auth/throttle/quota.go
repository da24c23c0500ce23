package throttle

import (
	"sync"
	"time"
)

// Quota bounds how often something is done that costs whoever does it nothing, as making
// an account: by each address, and by all together, within a time. Its zero value, with
// Now, lets nothing be done. It is safe for concurrent use.
type Quota struct {
	Now       func() time.Time
	Each      int           // by one address
	All       int           // by all of them
	Within    time.Duration // after which the counting begins again
	mu        sync.Mutex
	began     time.Time
	all       int
	byAddress map[string]int // by address; no more than All have an entry
}

// Take counts one more by the address, or says how long to wait for the next.
func (q *Quota) Take(address string) (wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := q.Now(); q.byAddress == nil || now.Sub(q.began) >= q.Within {
		q.began, q.all, q.byAddress = now, 0, map[string]int{}
	}
	if q.all >= q.All || q.byAddress[address] >= q.Each {
		return q.began.Add(q.Within).Sub(q.Now())
	}
	q.all++
	q.byAddress[address]++
	return 0
}
