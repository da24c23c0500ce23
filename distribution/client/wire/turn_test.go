package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/distribution/client/hosts"
)

func peerOf(t *testing.T, h http.HandlerFunc) *Peer {
	t.Helper()
	srv := httptest.NewServer(h)
	w, err := New(Config{
		CertsDirs: []string{}, UserAgent: "test", Idle: 1, Silence: time.Minute, Answer: time.Minute, Now: time.Now,
		Dial: (&net.Dialer{}).DialContext,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.CloseIdle(); srv.CloseClientConnections(); srv.Close() })
	return w.Peer(hosts.BaseOf(strings.TrimPrefix(srv.URL, "http://")))
}

// TestTurns: whoever waits for a registry that does not answer, for its greeting or for
// a token, keeps nobody waiting who has less patience, and nobody at all whose token is
// there or another.
func TestTurns(t *testing.T) {
	t.Parallel()
	for _, silent := range []string{"/v2/", "/token"} {
		t.Run(silent, func(t *testing.T) {
			t.Parallel()
			var hang atomic.Bool
			reached := make(chan struct{}, 1)
			var url string
			p := peerOf(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case hang.Load() && r.URL.Path == silent && !strings.Contains(r.URL.RawQuery, "there"):
					select {
					case reached <- struct{}{}:
					default:
					}
					<-r.Context().Done()
				case r.URL.Path == "/token":
					_, _ = fmt.Fprint(w, `{"token":"t"}`)
				case r.Header.Get("Authorization") == "":
					w.Header().Set("WWW-Authenticate", `Bearer realm="`+url+`/token"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			url = "http://" + p.Addr
			ask := func(ctx context.Context, scope string) error {
				_, err := p.Call(ctx, Request{Method: http.MethodGet, Path: "/x", Scopes: []string{scope}}, http.StatusOK)
				return err
			}
			if silent == "/token" {
				if err := ask(t.Context(), "repository:here:pull"); err != nil {
					t.Fatal(err)
				}
			}
			hang.Store(true)
			patient, end := context.WithCancel(t.Context())
			first := make(chan error, 1)
			go func() { first <- ask(patient, "repository:first:pull") }()
			<-reached
			begun := time.Now()
			hasty, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer stop()
			if err := ask(hasty, "repository:first:pull"); err == nil {
				t.Error("it was answered")
			}
			if silent == "/token" {
				for _, scope := range []string{"repository:here:pull", "repository:there:pull"} {
					if err := ask(t.Context(), scope); err != nil {
						t.Errorf("%s: %v", scope, err)
					}
				}
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("the others waited for %v", took)
			}
			end()
			if err := <-first; !errors.Is(err, context.Canceled) {
				t.Errorf("the first: %v", err)
			}
		})
	}
}

// TestSessions: what is remembered of repositories is bounded.
func TestSessions(t *testing.T) {
	t.Parallel()
	p := peerOf(t, func(http.ResponseWriter, *http.Request) {})
	for i := range 2 * maxSessions {
		in := Request{Method: http.MethodGet, Path: "/x", Scopes: []string{fmt.Sprintf("repository:made/up%d:pull", i)}}
		if _, err := p.Call(t.Context(), in, http.StatusOK); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) > maxSessions {
		t.Errorf("%d sessions", len(p.sessions))
	}
}
