package secure

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/runner/logs/ship"
)

// TestMain is the program, too: ship executes what is called build beside the binary it
// is in, which is this one.
func TestMain(m *testing.M) {
	if os.Args[0] == ship.SecureProgram {
		os.Exit(Main(os.Args[1:], os.Stdin))
	}
	exe, err := os.Executable()
	if err == nil {
		err = os.Symlink(exe, filepath.Join(filepath.Dir(exe), "build"))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// authority signs certificates for this host.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", nil)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// issue writes NAME.pem and NAME-key.pem.
func (a *authority) issue(t *testing.T, name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: by == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name: {Type: "CERTIFICATE", Bytes: der}, name + "-key": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// receiver is a syslog server that reads lines; it ends a connection after as many as it
// is told.
type receiver struct {
	address string
	got     chan string
	conns   chan net.Conn
}

func (a *authority) serve(t *testing.T, read func(*bufio.Reader) (string, error), asks tls.ClientAuthType) *receiver {
	t.Helper()
	a.issue(t, "server", a)
	pair, err := tls.LoadX509KeyPair(a.path("server"), a.path("server-key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: asks, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &receiver{address: "tcp+tls://" + l.Addr().String(), got: make(chan string, 64), conns: make(chan net.Conn, 8)}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			r.conns <- conn
			go func() {
				defer conn.Close()
				lines := bufio.NewReader(conn)
				for line, err := read(lines); err == nil; line, err = read(lines) {
					r.got <- line
				}
			}()
		}
	}()
	return r
}

func lines(r *bufio.Reader) (string, error) { return r.ReadString('\n') }

// counted reads what has its length before it (RFC 5425, 4.3).
func counted(r *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func (r *receiver) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-r.got:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

var who = ship.Container{ID: strings.Repeat("ab", 32), Name: "web"}

func line(text string) ship.Message {
	return ship.Message{Stream: "stdout", Text: []byte(text), Whole: true, Time: time.Now()}
}

// TestSent: lines come over TLS in each form, to a server that asks for a certificate,
// and all that was sent before the end is there.
func TestSent(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "client", a)
	for format, read := range map[string]func(*bufio.Reader) (string, error){
		"": lines, "rfc3164": lines, "rfc5424": counted, "rfc5424micro": counted,
	} {
		r := a.serve(t, read, tls.RequireAndVerifyClientCert)
		s, err := ship.Open(ship.Syslog, map[string]string{
			"syslog-address": r.address, "syslog-format": format, "tag": "{{.Name}}",
			"syslog-tls-ca-cert": a.path("ca"), "syslog-tls-cert": a.path("client"), "syslog-tls-key": a.path("client-key"),
		}, who)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		const many = 20
		for i := range many {
			if err := s.Send(line(fmt.Sprintf("a line\tof many %d", i))); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		for i := range many {
			want := fmt.Sprintf("a line\tof many %d", i)
			got := r.next(t)
			if !strings.HasPrefix(got, "<30>") || !strings.HasSuffix(strings.TrimSuffix(got, "\n"), want) ||
				!strings.Contains(got, " web") {
				t.Errorf("%s: %q, want %q", format, got, want)
			}
		}
	}
}

// TestGoesAway: a server that ends the connection is dialed again.
func TestGoesAway(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := a.serve(t, lines, tls.NoClientCert)
	s, err := ship.Open(ship.Syslog, map[string]string{"syslog-address": r.address, "syslog-tls-ca-cert": a.path("ca")}, who)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(line("first")); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); !strings.HasSuffix(got, "first\n") {
		t.Errorf("%q", got)
	}
	if err := (<-r.conns).Close(); err != nil {
		t.Fatal(err)
	}
	for sent := false; !sent; { // what was taken before the end was heard of is lost
		if err := s.Send(line("second")); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-r.got:
			sent = strings.HasSuffix(got, "second\n")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestRefused: who is not the right server is not sent to, and the error names what is
// wrong; only skip-verify=true takes everybody.
func TestRefused(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	r := a.serve(t, lines, tls.NoClientCert)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(option, value string) map[string]string {
		return map[string]string{"syslog-address": r.address, "syslog-tls-skip-verify": "false", option: value}
	}
	mixed := with("syslog-tls-cert", a.path("server"))
	mixed["syslog-tls-key"] = other.path("ca-key")
	for says, options := range map[string]map[string]string{
		"certificate signed by unknown authority":      with("syslog-tls-ca-cert", ""),
		"signed by unknown authority":                  with("syslog-tls-ca-cert", other.path("ca")),
		"syslog-tls-ca-cert: " + empty + " has no":     with("syslog-tls-ca-cert", empty),
		"syslog-tls-ca-cert: open /absent/ca.pem":      with("syslog-tls-ca-cert", "/absent/ca.pem"),
		"syslog-tls-cert and syslog-tls-key: tls: pri": mixed,
		"connection refused":                           with("syslog-address", "tcp+tls://127.0.0.1:1"),
	} {
		_, err := ship.Open(ship.Syslog, options, who)
		if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	s, err := ship.Open(ship.Syslog, with("syslog-tls-skip-verify", "true"), who)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(line("taken")); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); !strings.HasSuffix(got, "taken\n") {
		t.Errorf("%q", got)
	}
}
