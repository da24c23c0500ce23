package pki

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"cove/errdefs"
)

// Keeper holds the certificate that a server presents. It is safe for
// concurrent use: handshakes read what the last Set or reload stored.
type Keeper struct {
	current atomic.Pointer[tls.Certificate]
}

// Get is tls.Config's GetCertificate.
func (k *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.current.Load(); c != nil {
		return c, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "tls: no certificate is loaded")
}

// Set presents p from the next handshake on.
func (k *Keeper) Set(p *Pair) error {
	c, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "tls: %w", err)
	}
	k.current.Store(&c)
	return nil
}

// Files are a certificate and a key that someone else looks after. Without Key
// both are in Cert: PEM, or PKCS #12 with the password that the file Password
// holds.
type Files struct{ Cert, Key, Password string }

// Load reads the files and presents them.
func (k *Keeper) Load(f Files) error {
	p, err := f.read()
	if err != nil {
		return err
	}
	return k.Set(p)
}

func (f Files) read() (*Pair, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls certificate: %w", err)
	}
	if f.Key == "" {
		b, err := f.bundle(cert)
		if err != nil {
			return nil, fmt.Errorf("tls certificate %s: %w", f.Cert, err)
		}
		p, err := b.Pair()
		if err != nil {
			return nil, fmt.Errorf("tls certificate %s, without a file for the key: %w", f.Cert, err)
		}
		return p, nil
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, fmt.Errorf("tls key: %w", err)
	}
	p, err := ParsePair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls certificate %s and key %s: %w", f.Cert, f.Key, err)
	}
	return p, nil
}

// bundle reads the one file that holds everything.
func (f Files) bundle(data []byte) (*Bundle, error) {
	password := ""
	if f.Password != "" {
		text, err := os.ReadFile(f.Password)
		if err != nil {
			return nil, fmt.Errorf("its password: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	return ParseBundle(data, password)
}

// Watch loads the files again whenever they change, until ctx ends. A pair
// that does not fit together (the second file is still being written) leaves
// the old one in use.
func (k *Keeper) Watch(ctx context.Context, f Files, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for last := f.stamp(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := f.stamp()
		if now == last {
			continue
		}
		if err := k.Load(f); err != nil {
			log.ErrorContext(ctx, "the certificate changed and cannot be used; the old one stays", "error", err)
			continue
		}
		last = now
		log.InfoContext(ctx, "loaded the changed certificate", "certificate", f.Cert)
	}
}

// stamp changes when a file is replaced or written.
func (f Files) stamp() (s [3]string) {
	for i, name := range []string{f.Cert, f.Key, f.Password} {
		if fi, err := os.Stat(name); err == nil {
			s[i] = fmt.Sprint(fi.ModTime().UnixNano(), fi.Size())
		}
	}
	return s
}
