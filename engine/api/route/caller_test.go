package route

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// certificate is one that nobody has signed but itself.
func certificate(t *testing.T, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestCallerByCertificate: over TCP a caller is its certificate, once that has been shown.
func TestCallerByCertificate(t *testing.T) {
	t.Parallel()
	own := certificate(t, 1)
	caller := func(shown ...tls.Certificate) string {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		conn := tls.Server(server, &tls.Config{
			Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12,
			SessionTicketsDisabled: true,
		})
		ctx := WithConn(t.Context(), conn)
		if before := Caller(ctx); before != "" {
			t.Errorf("before it has shown anything it is %q", before)
		}
		go func() {
			//nolint:gosec // the server's certificate is not what is asked about
			_ = tls.Client(client, &tls.Config{Certificates: shown, InsecureSkipVerify: true}).HandshakeContext(t.Context())
		}()
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return Caller(ctx)
	}
	one, other := certificate(t, 2), certificate(t, 3)
	first := caller(one)
	if !strings.HasPrefix(first, "certificate ") || first != caller(one) || first == caller(other) {
		t.Errorf("%q", first)
	}
	if nobody := caller(); nobody != "" {
		t.Errorf("without a certificate: %q", nobody)
	}
}

// TestCallerByUser: on a socket it is the user at the other end.
func TestCallerByUser(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := new(net.Dialer).DialContext(t.Context(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx := WithConn(t.Context(), server)
	if got := Caller(ctx); got != "user "+strconv.Itoa(os.Geteuid()) || Socket(ctx) != l.Addr().String() {
		t.Errorf("%q at %q", got, Socket(ctx))
	}
	if Caller(context.Background()) != "" || Socket(context.Background()) != "" {
		t.Error("of no connection")
	}
}
