package live_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"cove/registry/edge"
	"cove/registry/server/config"
	"cove/registry/server/live"
)

func TestTake(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Root: "/r", ReadOnly: "no"}
	s, err := live.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(func(cfg config.Config, _ edge.Proxies) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, cfg.Log.Level) })
	})
	level := func() (answered string, debug bool) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return w.Body.String(), s.Level().Level() <= slog.LevelDebug
	}
	proxy := netip.MustParseAddr("10.1.2.3")
	if answered, debug := level(); answered != "" || debug || s.Trusts(proxy) || s.Proxied() {
		t.Errorf("before: %q, debug %t, trusts %t", answered, debug, s.Trusts(proxy))
	}
	next := cfg
	next.Log.Level, next.TrustedProxies, next.ReadOnly = "debug", []string{"10.0.0.0/8"}, "yes"
	r, err := s.Take(next)
	if err != nil || len(r.Taken) != 2 || len(r.Waiting) != 1 {
		t.Errorf("took %q, %q wait, %v", r.Taken, r.Waiting, err)
	}
	if answered, debug := level(); answered != "debug" || !debug || !s.Trusts(proxy) || s.Config().ReadOnly != "no" {
		t.Errorf("after: %q, debug %t, trusts %t, %q", answered, debug, s.Trusts(proxy), s.Config().ReadOnly)
	}
	next.TrustedProxies = []string{"x"}
	if _, err := s.Take(next); err == nil || !s.Trusts(proxy) {
		t.Errorf("a mistake: %v, trusts %t", err, s.Trusts(proxy))
	}
}
