package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRequestsOfOneAddress: one address has its share and no more, another one its own, and
// what ends makes room.
func TestRequestsOfOneAddress(t *testing.T) {
	t.Parallel()
	proxies, err := ParseProxies("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	running, end := make(chan struct{}), make(chan struct{})
	h := LimitRequests(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { running <- struct{}{}; <-end }), func() int { return 2 }, proxies.Trusts)
	ask := func(from string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/", nil)
		r.RemoteAddr = from
		h.ServeHTTP(w, r)
		return w
	}
	ended := make(chan int, 16)
	begin := func(from string) {
		go func() { ended <- ask(from).Code }() // ends with end
		<-running
	}
	begin("192.0.2.1:1")
	begin("192.0.2.1:2")
	w := ask("192.0.2.1:3")
	if body := w.Body.String(); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" ||
		!strings.Contains(body, "TOOMANYREQUESTS") || !strings.Contains(body, "more than 2 requests") {
		t.Errorf("the third: %d %v %s", w.Code, w.Header(), body)
	}
	for _, from := range []string{"192.0.2.2:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "@"} {
		begin(from) // another address, a proxy, a Unix socket
	}
	end <- struct{}{}
	<-ended
	close(end)
	for range 6 {
		if code := <-ended; code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
	}
	go func() { <-running }() // what ended has made room
	if w := ask("192.0.2.1:4"); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// TestHeaderIsBounded counts names, values and the address.
func TestHeaderIsBounded(t *testing.T) {
	t.Parallel()
	h := LimitHeader(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), 1000)
	for size, want := range map[int]int{900: 200, 1001: 431} {
		for how, set := range map[string]func(*http.Request){
			"one value": func(r *http.Request) { r.Header.Set("X", strings.Repeat("a", size)) },
			"many":      func(r *http.Request) { r.Header["X"] = strings.Split(strings.Repeat("a,", size/2), ",") },
			"a name":    func(r *http.Request) { r.Header.Set(strings.Repeat("a", size), "x") },
			"a query":   func(r *http.Request) { r.RequestURI += strings.Repeat("a", size) },
		} {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/", nil)
			set(r)
			h.ServeHTTP(w, r)
			if w.Code != want || (want == 431 && !strings.Contains(w.Body.String(), "1000 bytes at most")) {
				t.Errorf("%d bytes in %s: %d %s", size, how, w.Code, w.Body)
			}
		}
	}
}
