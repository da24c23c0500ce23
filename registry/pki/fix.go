package pki

import (
	"crypto"
	"crypto/x509"
	"net"
	"slices"

	"cove/errdefs"
)

// Fixed is what replaces a certificate that clients refuse. Exactly one of its
// fields is set.
type Fixed struct {
	// Pair is a new certificate with the key that belongs to it.
	Pair *Pair
	// ChainPEM is the certificate as it was, followed by those that lead to its
	// authority.
	ChainPEM []byte
	// Request asks the authority that signed the old one for a new one.
	Request *Request
}

// Request is a signing request with the key that it is for.
type Request struct{ CSRPEM, KeyPEM []byte }

// Remedies are what is at hand to fix a certificate with.
type Remedies struct {
	Authority *Pair // that may sign; nil without one
	Names     Names // that the certificate should have besides its own
	// Chain are certificates of authorities, in any order.
	Chain []*x509.Certificate
}

// Fix makes what clients accept in place of c's certificate: the same one with
// its missing chain, a new one when there is an authority to sign it, or a
// request for whoever signed the old one. Nil: nothing is wrong. What only the
// clients can mend is an error that says how.
func Fix(c Case, with Remedies) (*Fixed, error) {
	leaf, found := c.Chain[0], Explain(c)
	wanted := namesFor(leaf, c, with.Names)
	covered := wanted.coveredBy(leaf)
	if covered && !slices.ContainsFunc(found, aboutItself) {
		chain := complete(c.Chain, with.Chain)
		switch {
		case len(chain) > len(c.Chain):
			return &Fixed{ChainPEM: EncodeCertificates(chain)}, nil
		case len(found) == 0:
			return nil, nil
		case with.Authority == nil:
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "nothing is wrong with the certificate itself: %s; %s",
				found[0].Problem, found[0].Fix)
		}
	}
	if len(wanted.DNS)+len(wanted.IPs) == 0 {
		return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"it names nothing that a client could ask for: say which name it is for"), errdefs.GiveName, "HOST")
	}
	if with.Authority != nil {
		pair, err := with.Authority.Issue(wanted, c.Now)
		return &Fixed{Pair: pair}, err
	}
	csr, key, err := NewRequest(wanted, keyOf(c))
	return &Fixed{Request: &Request{csr, key}}, err
}

// aboutItself are the findings that a longer chain does not mend.
func aboutItself(f Finding) bool { return f.Clients != sayUnknown }

// namesFor are those of the certificate, the ones asked for, and, when it has
// none at all, the common name that its maker took for one.
func namesFor(leaf *x509.Certificate, c Case, more Names) Names {
	n := Names{}
	for _, name := range slices.Concat(leaf.DNSNames, more.DNS) {
		if ip := net.ParseIP(name); ip != nil { // it was taken for the name of a host
			n.addIP(ip)
		} else {
			n.addDNS(name)
		}
	}
	for _, ip := range slices.Concat(leaf.IPAddresses, more.IPs) {
		n.addIP(ip)
	}
	for _, name := range []string{c.Host, leaf.Subject.CommonName} {
		if name == c.Host && name != "" || len(n.DNS)+len(n.IPs) == 0 {
			if ip := net.ParseIP(name); ip != nil {
				n.addIP(ip)
			} else if isHostname(name) {
				n.addDNS(name)
			}
		}
	}
	return n
}

// keyOf is the key to ask with again: the one of the certificate, if it is at
// hand. One that belongs to another certificate is not used a second time.
func keyOf(c Case) crypto.Signer {
	if c.Key != nil && Matches(c.Chain[0], c.Key) {
		return c.Key
	}
	return nil
}

// complete adds the certificates that lead on from the end of a chain, without
// the root, which clients must have themselves.
func complete(chain, known []*x509.Certificate) []*x509.Certificate {
	chain = slices.Clone(chain)
	for range known {
		last := chain[len(chain)-1]
		i := slices.IndexFunc(known, func(k *x509.Certificate) bool {
			root := k.CheckSignatureFrom(k) == nil
			return !root && !slices.ContainsFunc(chain, k.Equal) && last.CheckSignatureFrom(k) == nil
		})
		if i < 0 {
			break
		}
		chain = append(chain, known[i])
	}
	return chain
}
