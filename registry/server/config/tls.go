package config

import (
	"log/slog"
	"os"

	"cove/registry/pki"
	"cove/registry/pki/acme"
)

// Serving is the TLS of a server on root, and who gets certificates of another
// authority for it; nil unless one is configured. agent is how that one knows us.
func (c *Config) Serving(root *os.Root, log *slog.Logger, agent string) (*pki.Serving, *acme.Manager, error) {
	names, suffixes, err := c.names()
	if err != nil {
		return nil, nil, err
	}
	serving := pki.ServingConfig{
		Files: c.TLS.Files(), Root: root, Names: names, Suffixes: suffixes, Hosts: c.ClientHosts(names), Log: log,
	}
	var manager *acme.Manager
	if issued := c.TLS.ACME; issued != nil {
		manager, err = acme.New(acme.Options{
			Config: *issued, Root: root, Hosts: issued.HostsOf(c.Hostnames), HTTP: c.Redirect != "", Log: log,
			Agent: agent,
		})
		if err != nil {
			return nil, nil, err
		}
		serving.Ahead = manager
	}
	s, err := pki.Serve(serving)
	return s, manager, err
}

// ReloadTLS has a server present what the configuration says now.
func (c *Config) ReloadTLS(s *pki.Serving, manager *acme.Manager) error {
	names, suffixes, err := c.names()
	if err != nil {
		return err
	}
	if manager != nil && c.TLS.ACME != nil {
		manager.SetHosts(c.TLS.ACME.HostsOf(c.Hostnames))
	}
	return s.Reload(names, suffixes)
}

func (c *Config) names() (names pki.Names, suffixes []string, err error) {
	if names, err = pki.ParseNames(c.Hostnames...); err != nil {
		return names, nil, err
	}
	suffixes, err = pki.ParseSuffixes(c.TLS.Suffixes...)
	return names, suffixes, err
}
