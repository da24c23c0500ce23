package pki

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"

	"cove/errdefs"
)

// maxLeaves bounds the certificates that strangers can ask for by name: the one
// that was used least recently goes first.
const maxLeaves = 256

// onDemand issues certificates for names that come in handshakes: those below a
// suffix that the operator allows, and addresses that the machine got after its
// start. They live in memory alone; their authority is what clients trust.
// It is safe for concurrent use.
type onDemand struct {
	mu        sync.Mutex
	authority *Pair
	suffixes  []string // ".example.com"
	leaves    map[string]*issued
}

type issued struct {
	cert *tls.Certificate
	used time.Time
}

// ParseSuffixes reads suffixes of names as people write them: ".example.com",
// "example.com" and "*.example.com" are one thing, every name below it.
func ParseSuffixes(texts ...string) ([]string, error) {
	var suffixes []string
	for _, text := range texts {
		name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "*"), ".")
		if !isHostname(name) || strings.HasPrefix(name, "*") || net.ParseIP(name) != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "suffix %q: want the end of host names, as .example.com",
				text)
		}
		suffixes = append(suffixes, "."+strings.ToLower(name))
	}
	return suffixes, nil
}

// reset takes an authority and what it issues for; what was issued is dropped.
func (o *onDemand) reset(authority *Pair, suffixes []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.authority, o.suffixes, o.leaves = authority, suffixes, map[string]*issued{}
}

// get is a certificate for what a client asks for, or nil when there is none
// of its own: usual is presented then, as when it is valid for the name anyway.
func (o *onDemand) get(hello *tls.ClientHelloInfo, usual *tls.Certificate, now time.Time) (*tls.Certificate, error) {
	names := asked(hello)
	name := names.First()
	if name == "" || usual.Leaf.VerifyHostname(bracketed(name)) == nil {
		return nil, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.authority == nil || o.authority.Key == nil || len(names.DNS) > 0 && !o.allows(name) {
		return nil, nil
	}
	if leaf := o.leaves[name]; leaf != nil && now.Before(leaf.cert.Leaf.NotAfter.Add(-renewBefore)) {
		leaf.used = now
		return leaf.cert, nil
	}
	pair, err := o.authority.Issue(names, now)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, err
	}
	o.makeRoom()
	o.leaves[name] = &issued{&cert, now}
	return &cert, nil
}

// asked is the name or the address by which a client came. The name that a
// client sends is what it calls the server; an address it never sends
// (RFC 6066, section 3), but it is where the connection ends, if no proxy or
// address translation stands between.
func asked(hello *tls.ClientHelloInfo) (n Names) {
	if hello == nil {
		return n
	}
	if name := strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")); name != "" {
		if isHostname(name) && !strings.HasPrefix(name, "*") {
			n.addDNS(name)
		}
		return n
	}
	if hello.Conn == nil {
		return n
	}
	if addr, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok && !addr.IP.IsUnspecified() {
		n.addIP(addr.IP)
	}
	return n
}

func (o *onDemand) allows(name string) bool {
	for _, suffix := range o.suffixes {
		if strings.HasSuffix(name, suffix) || name == suffix[1:] {
			return true
		}
	}
	return false
}

// makeRoom removes what was used least recently when there are too many.
func (o *onDemand) makeRoom() {
	if len(o.leaves) < maxLeaves {
		return
	}
	oldest := ""
	for name, leaf := range o.leaves {
		if oldest == "" || leaf.used.Before(o.leaves[oldest].used) {
			oldest = name
		}
	}
	delete(o.leaves, oldest)
}
