package outbound_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"cove/errdefs"
	"cove/registry/outbound"
)

// hostile are addresses of somebody who wants the registry to ask what only it can
// reach: "%p" is the port at which a canary listens.
var hostile = []string{
	// this machine, in every form that some parser takes
	"http://127.0.0.1:%p/", "http://127.0.0.2:%p/", "http://127.255.255.254:%p/", "http://localhost:%p/",
	"http://LOCALHOST:%p/", "http://localhost.:%p/", "http://0.0.0.0:%p/", "http://0:%p/", "http://127.1:%p/", "http://127.0.1:%p/",
	"http://2130706433:%p/", "http://0x7f000001:%p/", "http://0x7f.0.0.1:%p/", "http://0177.0.0.1:%p/", "http://017700000001:%p/",
	"http://127.0.0.1.:%p/", "http://[::1]:%p/", "http://[0:0:0:0:0:0:0:1]:%p/", "http://[::]:%p/",
	"http://[::ffff:127.0.0.1]:%p/", "http://[::ffff:7f00:1]:%p/", "http://[0:0:0:0:0:ffff:127.0.0.1]:%p/",
	"http://[::ffff:0:127.0.0.1]:%p/", "http://[::127.0.0.1]:%p/", "http://[64:ff9b::127.0.0.1]:%p/", "http://[64:ff9b::7f00:1]:%p/",
	"http://[2002:7f00:1::]:%p/", "http://[2001:0:7f00:1::]:%p/", "http://[::1%25lo]:%p/", "http://[fe80::1%25lo]:%p/",
	"http://①②⑦.⓪.⓪.①:%p/", "http://%31%32%37.0.0.1:%p/",
	// metadata of clouds
	"http://169.254.169.254/latest/meta-data/", "http://169.254.169.254:%p/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/",
	"http://2852039166/", "http://0xa9fea9fe/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://168.63.129.16/",
	"http://192.0.0.192/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
	// private and other networks that are not public
	"http://10.0.0.1/", "http://10.255.255.255:8080/", "http://172.16.0.1/", "http://172.31.255.254/", "http://192.168.1.1/",
	"http://100.64.0.1/", "http://169.254.1.1/", "http://192.0.2.1/", "http://198.18.0.1/", "http://198.51.100.7/", "http://203.0.113.9/",
	"http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/", "http://[fc00::1]/", "http://[fd12:3456::1]/",
	"http://[fe80::1]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[::ffff:10.0.0.1]/", "http://[2001:db8::1]/", "http://[100::1]/",
	"http://[64:ff9b:1::1]/", "http://[::ffff:192.168.0.1]:%p/",
	// what is no address of HTTP
	"file:///etc/passwd", "gopher://127.0.0.1:%p/_", "ftp://127.0.0.1:%p/", "unix:///run/docker.sock", "dict://127.0.0.1:%p/", "jar:http://127.0.0.1:%p/",
	"data:text/plain,x", "http:", "http://", "http:///x", "//127.0.0.1:%p/", "127.0.0.1:%p", "https:127.0.0.1:%p", "http://:%p/", "",
	// what parsers disagree about
	"http://admin:secret@127.0.0.1:%p/", "http://example.com@127.0.0.1:%p/", "http://127.0.0.1:%p\\@example.com/", "http://127.0.0.1:%p#@example.com/",
	"http://example.com:%p@127.0.0.1:%p/", "http://127.0.0.1 :%p/", "http://127.0.0.1:%p\r\nHost: x/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/",
	"http://127.0.0.1:-1/", "http://[::1/", "http://[127.0.0.1]:%p/", "http://127.0.0.1%00.example.com:%p/",
	// names that lead inside
	"http://inside.test:%p/", "http://mixed.test:%p/", "http://mapped.test:%p/", "https://inside.test:%p/", "http://absent.test:%p/",
}

// resolve is DNS as an attacker runs it.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	zone := map[string][]string{
		"inside.test": {"127.0.0.1"}, "mixed.test": {"127.0.0.1", "192.175.48.1"}, "mapped.test": {"::ffff:127.0.0.1"}, "absent.test": {},
	}
	answer, ok := zone[host]
	if !ok {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	var addrs []netip.Addr
	for _, text := range answer {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// TestHostileAddressesReachNothing is T15 for whatever people of a project type: a
// canary on each loopback address hears of none.
func TestHostileAddressesReachNothing(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	canary := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":0") // on every address of this machine
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: canary}}
	srv.Start()
	t.Cleanup(srv.Close)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	client := outbound.Policy{}.Client(outbound.Options{SkipVerify: true, Lookup: resolve})
	for _, text := range hostile {
		address := strings.ReplaceAll(text, "%p", port)
		if err := send(t, client, outbound.Policy{}, address); err == nil {
			t.Errorf("%q was asked", address)
		}
		// Who skips the check meets the dialer.
		if resp, err := get(t, client, address); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%q answered", address)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the canary was asked %d times", n)
	}
	t.Logf("%d addresses", len(hostile))
}

func get(t *testing.T, c *http.Client, address string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.Do(r)
}

func send(t *testing.T, c *http.Client, p outbound.Policy, address string) error {
	t.Helper()
	if err := p.Check(address); err != nil {
		return err
	}
	resp, err := get(t, c, address)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// TestNamesAreResolvedOnce has a name lead elsewhere with every question: the
// connection goes to the address that was looked at.
func TestNamesAreResolvedOnce(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	u, _ := url.Parse(srv.URL)
	var asked atomic.Int64
	rebind := func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}
	p, err := outbound.ParsePolicy("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t, p.Client(outbound.Options{Lookup: rebind}), p, "http://rebind.test:"+u.Port()); err != nil || asked.Load() != 1 {
		t.Errorf("%v after %d questions", err, asked.Load())
	}
	if err := send(t, p.Client(outbound.Options{Lookup: rebind}), p, "http://rebind.test:"+u.Port()); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("the other answer: %v", err)
	}
}

// TestAnswersAreBounded follows no redirect and reads no answer without end.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var moved atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/there":
			moved.Add(1)
		default:
			for range 40 {
				_, _ = w.Write(make([]byte, 64<<10))
			}
		}
	}))
	t.Cleanup(srv.Close)
	p, err := outbound.ParsePolicy("127.0.0.0/8", "::1")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Client(outbound.Options{})
	resp, err := get(t, c, srv.URL+"/moved")
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || moved.Load() != 0 {
		t.Errorf("redirect: %v %v, followed %d times", resp, err, moved.Load())
	}
	_ = resp.Body.Close()
	if resp, err = get(t, c, srv.URL+"/long"); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != outbound.MaxAnswer {
		t.Errorf("read %d bytes: %v", n, err)
	}
	_ = resp.Body.Close()
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://hooks.example.com/x?y=z", "http://hooks.example.com:8080", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://[64:ff9b::808:808]/",
	} {
		if err := (outbound.Policy{}).Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := outbound.ParsePolicy("10.0.0.0/33"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no network: %v", err)
	}
	p, err := outbound.ParsePolicy("10.1.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check("http://[::ffff:10.1.2.3]/"); err != nil {
		t.Errorf("an allowed address in another form: %v", err)
	}
	if err := p.Check("http://10.2.0.1/"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("beside the allowed network: %v", err)
	}
}

// TestNamedRegistries: a registry that an administrator has named may be anywhere but
// where a machine's secrets are, and sends us no further inside than it is itself.
func TestNamedRegistries(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	zone := map[string][]string{
		"near.test": {"127.0.0.1"}, "auth.near.test": {"127.0.0.1"}, "elsewhere.test": {"127.0.0.1"},
		"far.test": {"192.175.48.1"}, "cloud.test": {"169.254.169.254"}, "link.test": {"169.254.7.7"},
		"mixed.test": {"127.0.0.1", "169.254.169.254"}, "v6.test": {"fd00:ec2::254"},
	}
	lookup := func(_ context.Context, host string) (addrs []netip.Addr, err error) {
		for _, text := range zone[host] {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs, nil
	}
	allowing, err := outbound.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		policy outbound.Policy
		dials  []string // one after the other; with ! it is refused
	}{
		{"near.test:5000", outbound.Policy{}, []string{"near.test", "auth.near.test", "elsewhere.test", "127.0.0.1", "!cloud.test", "!link.test", "!v6.test", "!mixed.test"}},
		{"NEAR.test", outbound.Policy{}, []string{"near.test"}},
		{"near.test", outbound.Policy{}, []string{"!elsewhere.test"}}, // before it is known where it is itself
		{"far.test", outbound.Policy{}, []string{"!near.test", "!127.0.0.1", "!elsewhere.test", "!cloud.test", "![::1]"}},
		{"far.test", allowing, []string{"near.test", "127.0.0.1", "!cloud.test"}},
		{"cloud.test", outbound.Policy{}, []string{"!cloud.test", "!169.254.169.254"}},
		{"169.254.169.254", outbound.Policy{}, []string{"!169.254.169.254"}},
		{"127.0.0.1:" + port, outbound.Policy{}, []string{"127.0.0.1", "elsewhere.test", "!169.254.169.254"}},
		{"est", outbound.Policy{}, []string{"!near.test"}}, // the end of a name is not the name
	} {
		dial := tc.policy.DialTo(tc.name, lookup)
		for _, host := range tc.dials {
			host, refused := strings.CutPrefix(host, "!")
			conn, err := dial(t.Context(), "tcp", host+":"+port)
			if refused != errors.Is(err, errdefs.ErrDenied) || !refused && err != nil {
				t.Errorf("%s sends us to %s: %v", tc.name, host, err)
			}
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
}
