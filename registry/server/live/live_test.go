package live_test

import (
	"errors"
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
	fine := func() error { return nil }
	cfg := config.Config{Root: "/r", ReadOnly: "no", AddressFile: "a"}
	s, err := live.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(func(cfg config.Config, _ edge.Proxies) (http.Handler, error) {
		if cfg.ReadOnly == "never" {
			return nil, errors.New("no such answers")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, cfg.Log.Level) }), nil
	}); err != nil {
		t.Fatal(err)
	}
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
	next.Log.Level, next.TrustedProxies, next.AddressFile = "debug", []string{"10.0.0.0/8"}, "b"
	r, err := s.Take(next, fine)
	if err != nil || len(r.Taken) != 2 || len(r.Waiting) != 1 {
		t.Errorf("took %q, %q wait, %v", r.Taken, r.Waiting, err)
	}
	if answered, debug := level(); answered != "debug" || !debug || !s.Trusts(proxy) || s.Config().AddressFile != "a" {
		t.Errorf("after: %q, debug %t, trusts %t, %q", answered, debug, s.Trusts(proxy), s.Config().AddressFile)
	}
	never := next
	never.ReadOnly, never.Log.Level = "never", "warn"
	if _, err := s.Take(never, fine); err == nil || s.Config().ReadOnly != "no" || s.Level().Level() > slog.LevelDebug {
		t.Errorf("without answers: %v, %q", err, s.Config().ReadOnly)
	}
	never.ReadOnly = "no"
	if _, err := s.Take(never, func() error { return errors.New("others do not") }); err == nil || s.Level().Level() > slog.LevelDebug {
		t.Errorf("where others do not: %v", err)
	}
	next.TrustedProxies = []string{"x"}
	if _, err := s.Take(next, fine); err == nil || !s.Trusts(proxy) {
		t.Errorf("a mistake: %v, trusts %t", err, s.Trusts(proxy))
	}
}
