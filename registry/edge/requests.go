package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
)

// LimitRequests has next work on at most as many requests of one address at once as n says, and answers 429
// to what comes beyond. A connection of HTTP/2 carries hundreds, so a limit to connections
// is none to requests. It sees whom Proxies.Handler named; a proxy that does not say for
// whom it asks is what exempt knows.
func LimitRequests(next http.Handler, n func() int, exempt func(netip.Addr) bool) http.Handler {
	running := newShares(n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr) // what comes by a Unix socket has none
		if err != nil || exempt(peer.Addr()) {
			next.ServeHTTP(w, r)
			return
		}
		caller := Caller(peer.Addr())
		if !running.take(caller) {
			tooMany := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests,
				fmt.Sprintf("more than %d requests of your address are running; wait for some to end", n()))
			tooMany.RetryAfter = time.Second
			answer.Write(w, tooMany)
			return
		}
		defer running.give(caller)
		next.ServeHTTP(w, r)
	})
}

// LimitHeader refuses requests whose header has more than n bytes. net/http has a limit too,
// which nobody reads the reason of: have it be at least twice as much.
func LimitHeader(next http.Handler, n int) http.Handler {
	tooLarge := errcode.New(http.StatusRequestHeaderFieldsTooLarge, errcode.Unsupported,
		fmt.Sprintf("the header of a request has %d bytes at most", n))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := len(r.Method) + len(r.RequestURI) + len(r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				size += len(name) + len(v)
			}
		}
		if size > n {
			answer.Write(w, tooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}
