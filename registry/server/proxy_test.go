package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"cove/registry/server/config"
)

// TestBehindProxy asks through a real proxy with TLS for where tokens come from.
func TestBehindProxy(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted []string
		scheme  string
	}{
		"trusted":     {[]string{"127.0.0.0/8"}, "https"},
		"not trusted": {[]string{"192.0.2.0/24"}, "http"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, config.Config{TrustedProxies: tc.trusted})
			for _, run := range s.start() {
				go func() { _ = run.Serve() }() // ends with Close
				t.Cleanup(func() { _ = run.HTTP.Close() })
			}
			target, err := url.Parse("http://" + s.Address())
			if err != nil {
				t.Fatal(err)
			}
			proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.SetXForwarded()
			}})
			defer proxy.Close()
			resp, err := proxy.Client().Get(proxy.URL + "/v2/")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			want := `realm="` + tc.scheme + "://"
			if tc.scheme == "https" {
				want = `realm="` + proxy.URL + `/token"`
			}
			if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(got, want) {
				t.Errorf("%d %s, want %s", resp.StatusCode, got, want)
			}
		})
	}
}

func TestProxyWarning(t *testing.T) {
	for name, tc := range map[string]struct {
		listen string
		cfg    config.Config
		want   string
	}{
		"loopback":  {"127.0.0.1:0", config.Config{}, ""},
		"beyond":    {"0.0.0.0:0", config.Config{}, "send their password in the clear"},
		"named URL": {"0.0.0.0:0", config.Config{ExternalURL: "https://hub.example.com"}, ""},
		"proxies":   {"0.0.0.0:0", config.Config{TrustedProxies: []string{"10.0.0.1"}}, "external_url is not set"},
	} {
		t.Setenv(AdminPasswordEnv, testPassword)
		cfg := tc.cfg
		cfg.Root, cfg.Listen, cfg.TLS.Off, cfg.Log.Level = t.TempDir(), tc.listen, true, "error"
		s, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.started().ProxyWarning(); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q", name, got)
		}
		_ = s.closeListeners()
		if err := s.state.close(true); err != nil {
			t.Error(err)
		}
	}
}
