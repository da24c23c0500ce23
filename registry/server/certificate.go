package server

import (
	"crypto/x509"
	"net/url"
	"os"
	"time"

	"cove/registry/pki"
)

// warnOfCertificate says at the start why clients will refuse a certificate that
// was made elsewhere. It is served all the same: whoever made it may know that
// clients have its authority.
func (s *Server) warnOfCertificate(now time.Time) error {
	data, err := os.ReadFile(s.cfg.TLS.Certificate)
	if err != nil {
		return err
	}
	chain, err := pki.ParseCertificates(data)
	if err != nil {
		return err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = nil // then the chain is not looked at
	}
	hosts := s.cfg.clientHosts()
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	told := map[string]bool{}
	for _, host := range hosts {
		for _, f := range pki.Explain(pki.Case{Chain: chain, Host: host, Registry: host, Roots: roots, Now: now}) {
			if !told[f.Problem] {
				told[f.Problem] = true
				s.log.Warn("clients will refuse the certificate", "certificate", s.cfg.TLS.Certificate,
					"problem", f.Problem, "clients_say", f.Clients, "fix", f.Fix)
			}
		}
	}
	return nil
}

// clientHosts are the names and addresses by which clients are known to come.
func (c *Config) clientHosts() (hosts []string) {
	if u, err := url.Parse(c.ExternalURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	names, err := pki.ParseNames(c.Hostnames...)
	if err != nil {
		return hosts // Complete has refused them
	}
	hosts = append(hosts, names.DNS...)
	for _, ip := range names.IPs {
		hosts = append(hosts, ip.String())
	}
	return hosts
}
