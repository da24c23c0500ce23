package forward

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"strings"

	"cove/errdefs"
	"cove/registry/outbound"
)

// Receiver is where lines go, as the configuration of a registry says.
type Receiver struct {
	// URL is syslog+udp://, syslog+tcp:// or syslog+tls://HOST[:PORT], or an address of
	// https:// or http:// that lines are posted to.
	URL string `yaml:"url"`
	// CA is a file of certificates in PEM form to trust beside the system's.
	CA string `yaml:"ca"`
	// SecretFile has the key of a signature of each post.
	SecretFile string `yaml:"secret_file"`
	// AuthorizationFile has what is sent as the header Authorization of a post.
	AuthorizationFile string `yaml:"authorization_file"`
}

// The schemes.
const (
	overUDP = "syslog+udp"
	overTCP = "syslog+tcp"
	overTLS = "syslog+tls"
)

// ports are those of syslog, where none is given: RFC 5426, 6587 and 5425.
var ports = map[string]string{overUDP: "514", overTCP: "514", overTLS: "6514"}

// Check refuses what is no receiver.
func (r Receiver) Check() error {
	invalid := func(why string) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q %s; use syslog+udp://, syslog+tcp:// or syslog+tls://HOST[:PORT], "+
			"or https://HOST[:PORT]/PATH", r.URL, why)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Hostname() == "" {
		return invalid("is no address")
	}
	_, isSyslog := ports[u.Scheme]
	switch {
	case u.User != nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: put what signs in into authorization_file", u.Redacted())
	case !isSyslog && u.Scheme != "https" && u.Scheme != "http":
		return invalid("is of no scheme that is known")
	case u.RawQuery != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "%s has a query, which would be shown: put what signs in into "+
			"authorization_file", u.Host)
	case isSyslog && strings.Trim(u.Path, "/") != "":
		return invalid("has a path")
	case isSyslog && r.AuthorizationFile+r.SecretFile != "":
		return invalid("takes no authorization_file and no secret_file")
	case r.CA != "" && u.Scheme != overTLS && u.Scheme != "https":
		return invalid("takes no ca")
	}
	return nil
}

// CheckAll refuses what is no receiver, and two of one name.
func CheckAll(all []Receiver) error {
	names := map[string]bool{}
	for _, r := range all {
		if err := r.Check(); err != nil {
			return err
		}
		if names[r.URL] {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s is there twice", r.URL)
		}
		names[r.URL] = true
	}
	return nil
}

// trust is how a certificate is checked.
func (r Receiver) trust() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CA == "" {
		return conf, nil
	}
	text, err := os.ReadFile(r.CA)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "audit: %w", err)
	}
	if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
		conf.RootCAs = x509.NewCertPool()
	}
	if !conf.RootCAs.AppendCertsFromPEM(text) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "audit: %s has no certificate in PEM form", r.CA)
	}
	return conf, nil
}

// open is what sends to the receiver; nothing is sent yet.
func (r Receiver) open(host string, policy outbound.Policy) (sender, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	conf, err := r.trust()
	if err != nil {
		return nil, err
	}
	port, isSyslog := ports[u.Scheme]
	if !isSyslog {
		return newPoster(r, conf, host, policy.DialTo(u.Host, nil))
	}
	if u.Port() != "" {
		port = u.Port()
	}
	conf.ServerName = u.Hostname()
	return &syslog{
		scheme: u.Scheme, address: net.JoinHostPort(u.Hostname(), port), tls: conf, host: host,
		dial: policy.DialTo(u.Hostname(), nil),
	}, nil
}
