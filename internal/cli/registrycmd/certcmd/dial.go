package certcmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"cove/errdefs"
	"cove/registry/pki"
)

// read reads what a file holds, or the certificates of the server at
// HOST:PORT, whose name it returns too. A file of that name goes before a host;
// the password is for a file that is encrypted.
func read(ctx context.Context, what, password string) (b *pki.Bundle, host string, err error) {
	data, err := os.ReadFile(what)
	if err == nil {
		if b, err = pki.ParseBundle(data, password); err != nil {
			return nil, "", fmt.Errorf("%s: %w", what, err)
		}
		return b, "", nil
	}
	host, _, errHost := net.SplitHostPort(what)
	if errHost != nil || !errors.Is(err, os.ErrNotExist) {
		return nil, "", errdefs.Errorf(errdefs.ErrInvalid, "%s: neither a readable file nor HOST:PORT: %w", what, err)
	}
	chain, err := dial(ctx, what, host)
	return &pki.Bundle{Certificates: chain}, host, err
}

func dial(ctx context.Context, address, host string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		ServerName:         host,
		InsecureSkipVerify: true, // to look at what is wrong with it; nothing is sent
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s: it does not speak TLS; is it plain HTTP?", address)
	} else if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", address, err)
	}
	tlsConn, ok := conn.(*tls.Conn)
	if !ok {
		return nil, errors.Join(errors.New("tls: not a TLS connection"), conn.Close())
	}
	chain := tlsConn.ConnectionState().PeerCertificates
	return chain, conn.Close()
}
