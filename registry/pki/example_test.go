package pki_test

import (
	"crypto/x509"
	"fmt"
	"time"

	"cove/registry/pki"
)

// An authority of one's own issues a certificate for names and addresses; Explain says
// what clients would find wrong with one.
func Example() {
	now := time.Now()
	ca, err := pki.NewAuthority("example", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	names, _ := pki.ParseNames("registry.example", "10.0.0.5")
	pair, err := ca.Issue(names, now)
	fmt.Println(pair.Cert.DNSNames, pair.Cert.IPAddresses, err)

	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	for _, host := range []string{"registry.example", "other.example"} {
		found := pki.Explain(pki.Case{
			Chain: []*x509.Certificate{pair.Cert}, Host: host, Key: pair.Key, Roots: roots, Now: now,
		})
		fmt.Println(host, len(found))
	}
	// Output:
	// [registry.example] [10.0.0.5] <nil>
	// registry.example 0
	// other.example 1
}
