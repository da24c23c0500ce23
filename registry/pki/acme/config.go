// Package acme gets certificates from an authority that issues them by ACME
// (RFC 8555), as Let's Encrypt does, or step-ca within a company: one for each host
// name, by HTTP-01 or TLS-ALPN-01 (RFC 8737), renewed when a third of its life is
// left, and presented without a restart.
package acme

import (
	"encoding/base64"
	"net"
	"net/url"
	"os"
	"strings"

	"cove/errdefs"
	"cove/registry/pki"
)

// LetsEncrypt is the directory that is asked unless another is configured.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Config says who issues, and what it is told. The zero value asks nobody.
type Config struct {
	// Directory is the authority's URL; "" is LetsEncrypt.
	Directory string `yaml:"directory"`
	// Hosts are the names to get certificates for; none are all host names of the
	// registry that are no addresses.
	Hosts []string `yaml:"hosts"`
	// Email is where the authority sends warnings; it may be "".
	Email string `yaml:"email"`
	// AgreeToTerms says that its terms of service are agreed to. Without it nothing
	// is asked for.
	AgreeToTerms bool `yaml:"agree_to_terms"`
	// CAFile is PEM of who vouches for the directory's own certificate, besides the
	// machine's authorities: for one within a company.
	CAFile string `yaml:"ca_file"`
	// KeyID and KeyFile bind the account to one that the authority knows already
	// (RFC 8555, section 7.3.4); the file holds the key as base64url.
	KeyID   string `yaml:"key_id"`
	KeyFile string `yaml:"key_file"`
}

// Check refuses what cannot be, with errdefs.ErrInvalid.
func (c Config) Check() error {
	invalid := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: tls: acme: "+format, args...)
	}
	if c.Directory != "" {
		if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return invalid("directory is %q; use the https:// URL of the authority's directory", c.Directory)
		}
	}
	switch {
	case !c.AgreeToTerms:
		return invalid("the authority issues to who agrees to its terms of service; read them, and set agree_to_terms: true")
	case (c.KeyID == "") != (c.KeyFile == ""):
		return invalid("key_id and key_file go together")
	case strings.ContainsAny(c.Email, " ,<>?\r\n") || c.Email != "" && !strings.Contains(c.Email, "@"):
		return invalid("email is %q; use an address as ops@example.com", c.Email)
	}
	for _, host := range c.Hosts {
		if err := checkHost(host); err != nil {
			return invalid("hosts: %w", err)
		}
	}
	return nil
}

// checkHost refuses what no authority issues for by the challenges of this package.
func checkHost(host string) error {
	names, err := pki.ParseNames(host)
	switch {
	case err != nil:
		return err
	case len(names.IPs) > 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is an address; authorities issue for names", host)
	case strings.HasPrefix(host, "*"):
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: for wildcards an authority wants a change in DNS; name each host", host)
	}
	return nil
}

// HostsOf are the names to get certificates for: those of the configuration, or
// those of the registry that can have one.
func (c Config) HostsOf(hostnames []string) (hosts []string) {
	all := c.Hosts
	if len(all) == 0 {
		all = hostnames
	}
	for _, host := range all {
		host = strings.ToLower(strings.TrimPrefix(host, "DNS:"))
		if checkHost(host) == nil && net.ParseIP(host) == nil && (len(c.Hosts) > 0 || host != "localhost") {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// boundKey is the key of KeyFile.
func (c Config) boundKey() ([]byte, error) {
	text, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "acme: key_file: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(string(text)), "="))
	if err != nil || len(key) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "acme: key_file %s does not hold a key as base64url", c.KeyFile)
	}
	return key, nil
}
