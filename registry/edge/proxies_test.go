package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"cove/errdefs"
)

func TestWhoIsBelieved(t *testing.T) {
	t.Parallel()
	proxies, err := ParseProxies("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	const peer, stranger = "10.0.0.1:4444", "203.0.113.9:1234"
	for name, tc := range map[string]struct {
		from           string
		header         http.Header
		client, wantAt string
	}{
		"nobody's word":   {stranger, x("1.2.3.4", "https", "a"), stranger, "http://reg:5000"},
		"a proxy's":       {peer, x("1.2.3.4", "https", "hub.example.com"), "1.2.3.4:0", "https://hub.example.com"},
		"mapped":          {"[::ffff:10.0.0.1]:9", x("1.2.3.4", "https", ""), "1.2.3.4:0", "https://reg:5000"},
		"made up":         {peer, x("6.6.6.6, 1.2.3.4, 10.2.2.2", "https", ""), "1.2.3.4:0", "https://reg:5000"},
		"two proxies":     {peer, x("1.2.3.4, 10.2.2.2", "https, http", "out, in"), "1.2.3.4:0", "https://out"},
		"only proxies":    {peer, x("10.3.3.3, 10.2.2.2", "https", ""), "10.3.3.3:0", "https://reg:5000"},
		"with ports":      {peer, x("1.2.3.4:5678", "https", "hub:8443"), "1.2.3.4:0", "https://hub:8443"},
		"IPv6":            {"[2001:db8::1]:9", x("2001:aaaa::5", "https", ""), "[2001:aaaa::5]:0", "https://reg:5000"},
		"no address":      {peer, x("drop table", "https", ""), peer, "https://reg:5000"},
		"not a proto":     {peer, x("1.2.3.4", "javascript", ""), "1.2.3.4:0", "http://reg:5000"},
		"not a host":      {peer, x("1.2.3.4", "https", `e"vil/`), "1.2.3.4:0", "https://reg:5000"},
		"nothing said":    {peer, http.Header{}, peer, "http://reg:5000"},
		"port":            {peer, with(x("1.2.3.4", "https", "hub"), "X-Forwarded-Port", "8443"), "1.2.3.4:0", "https://hub:8443"},
		"standard port":   {peer, with(x("1.2.3.4", "https", "hub"), "X-Forwarded-Port", "443"), "1.2.3.4:0", "https://hub"},
		"X goes before":   {peer, with(x("1.2.3.4", "https", ""), "Forwarded", "for=6.6.6.6;proto=http;host=evil"), "1.2.3.4:0", "https://reg:5000"},
		"RFC 7239":        {peer, with(http.Header{}, "Forwarded", `for=6.6.6.6, For="[2001:aaaa::5]:4711";proto=https;host="hub:1", for=192.0.2.7`), "[2001:aaaa::5]:0", "https://hub:1"},
		"RFC 7239 hidden": {peer, with(http.Header{}, "Forwarded", `for=6.6.6.6, for=_secret;proto=https, for=10.9.9.9`), "10.9.9.9:0", "https://reg:5000"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://reg:5000/v2/", nil)
		r.RemoteAddr, r.Header = tc.from, tc.header
		var got, base string
		proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, base = r.RemoteAddr, BaseURL(r)
		})).ServeHTTP(httptest.NewRecorder(), r)
		if got != tc.client || base != tc.wantAt {
			t.Errorf("%s: %s at %s, want %s at %s", name, got, base, tc.client, tc.wantAt)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = &tls.ConnectionState{}
	if got := BaseURL(r); got != "https://example.com" {
		t.Errorf("a TLS connection of one's own: %s", got)
	}
}

func x(addrs, proto, host string) http.Header {
	h := http.Header{"X-Forwarded-For": {addrs}, "X-Forwarded-Proto": {proto}}
	if host != "" {
		h.Set("X-Forwarded-Host", host)
	}
	return h
}

func with(h http.Header, name, value string) http.Header {
	h.Set(name, value)
	return h
}

func TestProxiesAreAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "proxy.example.com", "10.0.0.0/33", "10.0.0.1:80"} {
		if _, err := ParseProxies(bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestConnectionsOfOneAddress opens one too many, and again when one is gone.
func TestConnectionsOfOneAddress(t *testing.T) {
	t.Parallel()
	loopback, err := ParseProxies("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		exempt Proxies
		third  bool
	}{{nil, false}, {loopback, true}} {
		inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, 8)
		l := LimitListener(inner, func() int { return 2 }, tc.exempt.Trusts)
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("hi"))
				accepted <- c
			}
		}()
		served := func() bool {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			_, err = io.ReadFull(c, make([]byte, 2))
			return err == nil
		}
		for n := range 2 {
			if !served() {
				t.Fatalf("connection %d was refused, of two that are allowed", n+1)
			}
		}
		if got := served(); got != tc.third {
			t.Errorf("the third, exempt %v: %v", tc.exempt, got)
		}
		c := <-accepted
		if err := errors.Join(c.Close(), ignoreClosed(c.Close())); err != nil {
			t.Error(err)
		}
		if !served() {
			t.Error("none is taken after one is gone")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
