// Package welcome is what an operator reads after a start.
package welcome

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"cove/registry/accounts"
	"cove/registry/pki/fingerprint"
	"cove/registry/server/config"
)

// Start is a registry that has just begun to listen.
type Start struct {
	Config        config.Config
	Address       string // HOST:PORT that it listens on
	AdminPassword string // that this start made; "" if there was one
	Proxied       bool   // there are trusted proxies
}

// Text says where the registry listens, the first password, and how clients come to trust
// it.
func (s Start) Text() string {
	var b strings.Builder
	scheme := "https"
	if s.Config.TLS.Off {
		scheme = "http"
	}
	host := s.reachable()
	fmt.Fprintf(&b, "registry at %s://%s, listening on %s\n", scheme, host, s.Address)
	file := filepath.Join(s.Config.Root, accounts.AdminPasswordFile)
	if s.AdminPassword != "" {
		fmt.Fprintf(&b, "user %s, password %s (shown this once; also in %s)\n", accounts.AdminUser, s.AdminPassword,
			file)
	} else if _, err := os.Stat(file); err == nil {
		fmt.Fprintf(&b, "user %s, password in %s\n", accounts.AdminUser, file)
	}
	switch {
	case s.Config.TLS.Off:
		fmt.Fprintf(&b, `
TLS is off: passwords and images travel in the clear. Clients must be told:
  docker:      {"insecure-registries": ["%[1]s"]} in /etc/docker/daemon.json
  podman:      --tls-verify=false
  cove:        --insecure-registry %[1]s
`, host)
		b.WriteString(s.ProxyWarning())
	case s.Config.TLS.Own():
		ca := filepath.Join(s.Config.Root, "tls", "ca.crt")
		fmt.Fprintf(&b, `
To trust it, copy %[1]s to each client as:
  docker:      /etc/docker/certs.d/%[2]s/ca.crt
  podman:      /etc/containers/certs.d/%[2]s/ca.crt
  containerd:  /etc/containerd/certs.d/%[2]s/ca.crt, with a hosts.toml beside it:
                 [host."https://%[2]s"]
                   ca = "/etc/containerd/certs.d/%[2]s/ca.crt"
  cove:        /etc/cove/certs.d/%[2]s/ca.crt (docker's folder is read too)
  everything:  /usr/local/share/ca-certificates/cove-registry.crt, then update-ca-certificates
`, ca, host)
		// What is not there cannot be compared, and is told by who reads it to serve.
		if text, err := os.ReadFile(ca); err == nil {
			if sum, err := fingerprint.Of(text); err == nil {
				fmt.Fprintf(&b, "Its SHA-256 fingerprint, to compare with what clients are shown:\n  %s\n", sum)
			}
		}
	}
	fmt.Fprintf(&b, "\nThen: docker login -u %s %s\n", accounts.AdminUser, host)
	fmt.Fprintf(&b, "\nOr open %s://%s/ in a browser: it leads to the first push.\n", scheme, host)
	if s.Config.TLS.Own() {
		b.WriteString("The browser warns of the certificate until it trusts that one, too.\n")
	}
	return b.String()
}

// reachable is the HOST:PORT that clients should use: the first host name, or
// the address that is listened on.
func (s Start) reachable() string {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return s.Address
	}
	switch ip := net.ParseIP(host); {
	case len(s.Config.Hostnames) > 0:
		host = strings.TrimPrefix(strings.TrimPrefix(s.Config.Hostnames[0], "DNS:"), "IP:")
	case ip != nil && ip.IsUnspecified():
		host = "localhost"
	}
	if port == "443" && !s.Config.TLS.Off {
		return host
	}
	return net.JoinHostPort(host, port)
}

// ProxyWarning says what happens when a proxy with TLS stands before plain
// HTTP and nothing here knows of it; "" when that cannot be.
func (s Start) ProxyWarning() string {
	host, _, err := net.SplitHostPort(s.Address)
	ip := net.ParseIP(host)
	switch {
	case !s.Config.TLS.Off || s.Config.ExternalURL != "" || err != nil || ip != nil && ip.IsLoopback():
		return ""
	case s.Proxied:
		return `
warning: external_url is not set. Clients are sent to the host and scheme that a
trusted proxy names in X-Forwarded-Proto and X-Forwarded-Host or in Forwarded; a
proxy that names none makes them send their password to http:// in the clear.
`
	}
	return `
warning: should a proxy with TLS stand before this address, clients are told to
fetch tokens from http:// and send their password in the clear. Set external_url
to the URL that clients use, or trusted_proxies to the proxy's addresses.
`
}
