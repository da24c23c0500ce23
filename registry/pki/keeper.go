package pki

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
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

// Files are a certificate and a key that someone else looks after.
type Files struct{ Cert, Key string }

// Load reads the files and presents them.
func (k *Keeper) Load(f Files) error {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return fmt.Errorf("tls certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return fmt.Errorf("tls key: %w", err)
	}
	p, err := ParsePair(cert, key)
	if err != nil {
		return fmt.Errorf("tls certificate %s and key %s: %w", f.Cert, f.Key, err)
	}
	return k.Set(p)
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
func (f Files) stamp() (s [2]string) {
	for i, name := range []string{f.Cert, f.Key} {
		if fi, err := os.Stat(name); err == nil {
			s[i] = fmt.Sprint(fi.ModTime().UnixNano(), fi.Size())
		}
	}
	return s
}
