package pki

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"cove/registry/pki/strength"
)

// Finding is one reason for which clients refuse a certificate, what those
// written in Go (docker, podman, containerd, cove) say then, and the way out.
type Finding struct {
	Problem, Clients, Fix string
	// Issue are the names of the certificate that the way out asks for; an edge
	// adds how it issues one. None: it asks for no other.
	Issue []string
}

const (
	sayNoNames = "x509: certificate relies on legacy Common Name field, use SANs instead"
	sayTime    = "x509: certificate has expired or is not yet valid"
	sayUnknown = "x509: certificate signed by unknown authority"
	sayUsage   = "x509: certificate specifies an incompatible key usage"
	sayKey     = "tls: private key does not match public key" // the server itself, at its start
)

// Case is what Explain looks at. Chain is required, the server's own
// certificate first.
type Case struct {
	Chain []*x509.Certificate
	// Host is the name or address that clients use; "" leaves it out.
	Host string
	// Registry is HOST:PORT as clients write it, for the advice; "" when not known.
	Registry string
	// Key is the server's private key, nil when it is not at hand.
	Key crypto.Signer
	// Roots are the authorities that clients trust; nil leaves it out.
	Roots *x509.CertPool
	Now   time.Time
}

// Explain says why clients would refuse the certificate; nothing, if they
// would not.
func Explain(c Case) []Finding {
	var found []Finding
	for _, check := range []func(Case) *Finding{
		checkNames, checkHost, checkTime, checkKey, checkUsage, checkStrength, checkChain,
	} {
		if f := check(c); f != nil {
			found = append(found, *f)
		}
	}
	return found
}

func checkNames(c Case) *Finding {
	cert := c.Chain[0]
	if len(NamesOf(cert)) > 0 {
		return nil
	}
	if cert.IsCA {
		return &Finding{
			Clients: sayNoNames,
			Problem: fmt.Sprintf("it is an authority's certificate (CN=%s), not a server's: it has no names",
				cert.Subject.CommonName),
			Fix: fmt.Sprintf("give it to clients as certs.d/%s/ca.crt, and the server a certificate that it signs",
				orExample(c.Registry, "HOST:PORT")),
			Issue: []string{orExample(c.Host, "HOST")},
		}
	}
	return &Finding{
		Clients: sayNoNames,
		Problem: fmt.Sprintf("it has a common name (CN=%s) and no subject alternative names; clients ignore the common name", cert.Subject.CommonName),
		Fix:     "issue it again with names",
		Issue:   []string{orExample(c.Host, cert.Subject.CommonName)},
	}
}

func checkHost(c Case) *Finding {
	cert := c.Chain[0]
	names := NamesOf(cert)
	if c.Host == "" || len(names) == 0 {
		return nil
	}
	err := cert.VerifyHostname(bracketed(c.Host))
	if err == nil {
		return nil
	}
	if net.ParseIP(c.Host) != nil && slices.Contains(cert.DNSNames, c.Host) {
		return &Finding{
			Clients: err.Error(),
			Problem: fmt.Sprintf("it has %s as the name of a host (DNS:%[1]s), and clients look for an address (IP:%[1]s)", c.Host),
			Fix:     "issue it again with the address",
			Issue:   without(names, c.Host),
		}
	}
	return &Finding{
		Clients: err.Error(),
		Problem: fmt.Sprintf("it is valid for %s, not for %s", strings.Join(names, ", "), c.Host),
		Fix:     "use one of those names, or issue it again with this one too",
		Issue:   append(names, c.Host),
	}
}

// without puts what is wanted last, once.
func without(names []string, host string) []string {
	return append(slices.DeleteFunc(names, func(n string) bool { return n == host }), host)
}

// bracketed is how VerifyHostname wants an IPv6 address.
func bracketed(host string) string {
	if ip := net.ParseIP(host); ip != nil {
		return "[" + host + "]"
	}
	return host
}

func checkTime(c Case) *Finding {
	cert := c.Chain[0]
	switch {
	case c.Now.After(cert.NotAfter):
		return &Finding{
			Clients: sayTime,
			Problem: fmt.Sprintf("it expired on %s", cert.NotAfter.Format(time.DateTime)),
			Fix:     "issue a new one (a registry does so by itself for its own); check the clock of the client too",
		}
	case c.Now.Before(cert.NotBefore):
		return &Finding{
			Clients: sayTime,
			Problem: fmt.Sprintf("it is not valid before %s", cert.NotBefore.Format(time.DateTime)),
			Fix:     "check the clocks of both machines",
		}
	}
	return nil
}

func checkKey(c Case) *Finding {
	if c.Key == nil || Matches(c.Chain[0], c.Key) {
		return nil
	}
	return &Finding{
		Clients: sayKey,
		Problem: "the key does not belong to this certificate",
		Fix:     "use the key that the signing request was made with, or issue a new pair",
	}
}

func checkUsage(c Case) *Finding {
	cert := c.Chain[0]
	if len(cert.ExtKeyUsage) == 0 {
		return nil
	}
	for _, u := range cert.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return nil
		}
	}
	return &Finding{
		Clients: sayUsage,
		Problem: "it is not for servers (no serverAuth in its extended key usage)",
		Fix:     "issue one for a server",
	}
}

func checkStrength(c Case) *Finding {
	for i, cert := range c.Chain {
		if flaw := strength.Of(cert); flaw != nil {
			which := "it"
			if i > 0 {
				which = fmt.Sprintf("certificate %d of its file (%s)", i+1, cert.Subject)
			}
			problem := which + " has a " + flaw.Part
			return &Finding{Clients: flaw.Clients, Problem: problem, Fix: flaw.Fix, Issue: NamesOf(c.Chain[0])}
		}
	}
	return nil
}

func checkChain(c Case) *Finding {
	if checkStrength(c) != nil { // which is why the chain does not hold
		return nil
	}
	cert := c.Chain[0]
	selfSigned := strength.SelfSigned(cert)
	between := x509.NewCertPool()
	for _, extra := range c.Chain[1:] {
		between.AddCert(extra)
	}
	if c.Roots != nil {
		_, err := cert.Verify(x509.VerifyOptions{
			Roots: c.Roots, Intermediates: between, CurrentTime: within(cert, c.Now),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err == nil {
			return nil
		}
	}
	switch {
	// checkNames has said what to do with an authority
	case c.Roots == nil, selfSigned && cert.IsCA && len(NamesOf(cert)) == 0:
		return nil
	case selfSigned:
		return &Finding{
			Clients: sayUnknown,
			Problem: "it is signed by itself, and not among the authorities given",
			Fix: fmt.Sprintf("give it to clients as their authority: certs.d/%s/ca.crt",
				orExample(c.Registry, "HOST:PORT")),
		}
	case len(c.Chain) == 1:
		return &Finding{
			Clients: sayUnknown,
			Problem: fmt.Sprintf("its issuer (%s) is neither among the authorities given nor sent with it",
				cert.Issuer),
			Fix: fmt.Sprintf("give that authority to clients (certs.d/%s/ca.crt); if it is an intermediate one, append its certificate to the server's file",
				orExample(c.Registry, "HOST:PORT")),
		}
	default:
		return &Finding{
			Clients: sayUnknown,
			Problem: fmt.Sprintf("the chain it is sent with ends at %s, which is not among the authorities given",
				c.Chain[len(c.Chain)-1].Issuer),
			Fix: fmt.Sprintf("give that authority to clients: certs.d/%s/ca.crt",
				orExample(c.Registry, "HOST:PORT")),
		}
	}
}

// within keeps a wrong time out of the chain's verdict: it has its own finding.
func within(cert *x509.Certificate, now time.Time) time.Time {
	if now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
		return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 2)
	}
	return now
}

func orExample(host, example string) string {
	if host == "" {
		return example
	}
	return host
}
