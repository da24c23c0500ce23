package api_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cove/engine/api"
)

// TestIdle: requests in progress, and a while after the last, are not idle.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := api.NewIdle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				time.Sleep(10 * time.Minute)
			}
		}), time.Minute)
		ask := func(path string) { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)) }
		go ask("/long")
		time.Sleep(5 * time.Minute)
		ask("/short")
		if err := api.Serve(t.Context(), h); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != 11*time.Minute {
			t.Errorf("it ended after %v, want 11m", took)
		}
	})
}

// TestSilentIsNotIdle: who is connected, and says what it wants after a while, is
// answered.
func TestSilentIsNotIdle(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{}, 1)
	h := api.NewIdle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "answered")
	}), 300*time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- api.Serve(t.Context(), h, accepted{l, entered}) }()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-entered
	select {
	case err := <-ended:
		t.Fatalf("it ended with a client that is about to ask: %v", err)
	case <-time.After(time.Second):
	}
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	text, rerr := io.ReadAll(conn)
	if err != nil || rerr != nil || !strings.HasSuffix(string(text), "answered") {
		t.Errorf("%v, %v: %q", err, rerr, text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// accepted tells of a connection.
type accepted struct {
	net.Listener
	told chan struct{}
}

func (a accepted) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err == nil {
		a.told <- struct{}{}
	}
	return conn, err
}

// TestResting: rest follows when nobody has begun or ended to ask for a while.
func TestResting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun, rests := time.Now(), make(chan time.Duration, 5)
		h := api.Resting(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			time.Sleep(3 * time.Second)
		}), 2*time.Second, func() { rests <- time.Since(begun) })
		time.Sleep(time.Minute)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		time.Sleep(time.Minute)
		var got []time.Duration
		for len(rests) > 0 {
			got = append(got, <-rests)
		}
		want := []time.Duration{2 * time.Second, time.Minute + 2*time.Second, time.Minute + 5*time.Second}
		if !slices.Equal(got, want) {
			t.Errorf("it rests after %v, want %v", got, want)
		}
	})
}

// TestGiveBack leaves a program that works.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	for range 3 {
		if err := api.GiveBack(); err != nil {
			t.Fatal(err)
		}
	}
}
