package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
)

// serving is a server's TLS with an authority of its own.
func serving(t *testing.T, suffixes ...string) (*Serving, *x509.CertPool) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	if err := root.Mkdir("tls", 0o755); err != nil {
		t.Fatal(err)
	}
	allowed, err := ParseSuffixes(suffixes...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(ServingConfig{Root: root, Names: names(t, "hub.example.com"), Suffixes: allowed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := root.ReadFile("tls/" + AuthorityCert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return s, pool
}

// TestNamesThatClientsAskFor shakes hands by name, as docker does, trusting
// the authority alone.
func TestNamesThatClientsAskFor(t *testing.T) {
	t.Parallel()
	s, pool := serving(t, "*.corp.example", "lab.example")
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = conn.(*tls.Conn).Handshake(), conn.Close() }()
		}
	}()
	for name, ok := range map[string]bool{
		"hub.example.com":            true,  // a name of the configuration
		"127.0.0.1":                  true,  // an address of the machine
		"a.corp.example":             true,  // below a suffix
		"b.A.corp.example":           true,  // at any depth, in any case
		"lab.example":                true,  // the suffix itself
		"corp.example.org":           false, // ends otherwise
		"evilcorp.example":           false, // not below it, though its letters end so
		"other.example":              false,
		"xn--bcher-kva.corp.example": true,
	} {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: name, RootCAs: pool, MinVersion: tls.VersionTLS12})
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAddressThatCameLater: a machine that gets an address after the start is
// trusted by it.
func TestAddressThatCameLater(t *testing.T) {
	t.Parallel()
	s, _ := serving(t)
	for address, own := range map[string]bool{"192.0.2.7": true, "2001:db8::7": true, "127.0.0.1": false, "0.0.0.0": false} {
		hello := &tls.ClientHelloInfo{Conn: fakeConn{local: &net.TCPAddr{IP: net.ParseIP(address)}}}
		cert, err := s.get(hello)
		if err != nil {
			t.Fatal(err)
		}
		if got := cert.Leaf.VerifyHostname(bracketed(address)) == nil; got != (own || address == "127.0.0.1") {
			t.Errorf("%s: a certificate for %q", address, NamesOf(cert.Leaf))
		}
	}
}

type fakeConn struct {
	net.Conn
	local net.Addr
}

func (c fakeConn) LocalAddr() net.Addr { return c.local }

// TestManyNames: a stranger who asks for names without end costs a bounded
// number of certificates, and those in use stay.
func TestManyNames(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, "corp.example")
	first, err := s.get(&tls.ClientHelloInfo{ServerName: "busy.corp.example"})
	if err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	for i := range 2 * maxLeaves {
		if i%16 == 0 {
			asking.Wait()
			if again, err := s.get(&tls.ClientHelloInfo{ServerName: "busy.corp.example"}); err != nil || again != first {
				t.Fatalf("after %d names another certificate is presented: %v", i, err)
			}
		}
		asking.Go(func() {
			if _, err := s.get(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("n%d.corp.example", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if n := len(s.onDemand.leaves); n != maxLeaves {
		t.Errorf("%d certificates are kept, want %d", n, maxLeaves)
	}
	// A reload forgets them: their authority may be another one.
	if err := s.Reload(names(t, "hub.example.com"), nil); err != nil {
		t.Fatal(err)
	}
	usual, err := s.get(&tls.ClientHelloInfo{ServerName: "busy.corp.example"})
	if err != nil || usual.Leaf.VerifyHostname("hub.example.com") != nil {
		t.Errorf("after the suffix has gone: %v, %v", NamesOf(usual.Leaf), err)
	}
}

func TestParseSuffixes(t *testing.T) {
	t.Parallel()
	got, err := ParseSuffixes(".a.example", "*.b.example", "C.example")
	if err != nil || fmt.Sprint(got) != "[.a.example .b.example .c.example]" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "*", ".", "a b", "https://x", "*.*.x", "10.0.0.1", "::1"} {
		if got, err := ParseSuffixes(bad); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
}
