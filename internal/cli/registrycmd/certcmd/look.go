package certcmd

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/pki"
)

func newInspect() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "inspect FILE|HOST:PORT",
		Short: "Show what certificates, signing requests and keys say",
		Long:  `Show what a file holds (PEM, DER or PKCS #12), or the certificates that a server sends.`,
		Example: `  registry cert inspect /srv/registry/tls/server.crt
  registry cert inspect server.csr
  registry cert inspect server.p12 --password-file pass
  registry cert inspect harbor.example.com:443`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			b, _, err := fetch(cmd, a[0], passwordFile)
			if err != nil {
				return err
			}
			return describe(cmd.OutOrStdout(), b)
		},
	}
	passwordFlag(cmd, &passwordFile)
	return cmd
}

func fetch(cmd *cobra.Command, what, passwordFile string) (*pki.Bundle, string, error) {
	secret, err := password(passwordFile)
	if err != nil {
		return nil, "", err
	}
	return read(cmd.Context(), what, secret)
}

func describe(w io.Writer, b *pki.Bundle) error {
	var out strings.Builder
	for _, cert := range b.Certificates {
		kind := "server"
		if cert.IsCA {
			kind = "authority"
		}
		fmt.Fprintf(&out, "subject:    %s (%s)\nissuer:     %s\nvalid:      %s to %s\nnames:      %s\nkey:        %s\n",
			cert.Subject, kind, cert.Issuer, command.Stamp(cert.NotBefore), command.Stamp(cert.NotAfter),
			strings.Join(pki.NamesOf(cert), ", "), cert.PublicKeyAlgorithm)
	}
	if csr := b.Request; csr != nil {
		names := strings.Join(namesOf(csr.DNSNames, csr.IPAddresses), ", ")
		fmt.Fprintf(&out, "subject:    %s (signing request)\nnames:      %s\nkey:        %s\n", csr.Subject,
			cmp.Or(names, "none; clients look at nothing else: sign it with --name HOST"), csr.PublicKeyAlgorithm)
	}
	if b.Key != nil {
		fits := "of no certificate here"
		if len(b.Certificates) > 0 && pki.Matches(b.Certificates[0], b.Key) {
			fits = "of the first certificate"
		}
		fmt.Fprintf(&out, "private key: %s\n", fits)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func namesOf(dns []string, ips []net.IP) []string {
	return pki.NamesOf(&x509.Certificate{DNSNames: dns, IPAddresses: ips})
}

// lookFlags say how a certificate is judged.
type lookFlags struct{ name, ca, key, passwordFile string }

func (f *lookFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.key, "key", "", "the server's key, to see whether it fits")
	passwordFlag(cmd, &f.passwordFile)
}

func newExplain() *cobra.Command {
	var f lookFlags
	cmd := &cobra.Command{
		Use:   "explain FILE|HOST:PORT",
		Short: "Say why a client refuses a certificate, and what to do",
		Example: `  registry cert explain harbor.example.com:443 --ca /srv/registry/tls/ca.crt
  registry cert explain server.crt --name harbor.example.com --key server.key`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			c, err := f.open(cmd, a[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			// the last write reports a failure
			_, _ = fmt.Fprintf(out, "valid for: %s\n", cmp.Or(strings.Join(pki.NamesOf(c.Chain[0]), ", "), "no name"))
			found := pki.Explain(c)
			if len(found) == 0 {
				_, err := fmt.Fprintln(out, "no reason was found to refuse it")
				return err
			}
			for _, p := range found {
				// the error below says enough
				_, _ = fmt.Fprintf(out, "problem: %s\nclients: %s\n    fix: %s\n", p.Problem, p.Clients, fixOf(p))
			}
			return fmt.Errorf("%s: clients refuse it (%d found)", a[0], len(found))
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "name that clients use (default: the HOST)")
	cmd.Flags().StringVar(&f.ca, "ca", "", "authority that clients trust (default: the system's)")
	f.add(cmd)
	return cmd
}

// fixOf is the way out, with the commands for it.
func fixOf(f pki.Finding) string {
	if len(f.Issue) == 0 {
		return f.Fix
	}
	names := make([]string, len(f.Issue))
	for i, name := range f.Issue {
		if names[i] = name; strings.Contains(name, "*") { // which a shell would take for a pattern
			names[i] = "'" + name + "'"
		}
	}
	return fmt.Sprintf("%s: registry cert issue --name %s; a registry's own is issued by: registry serve --hostname %s",
		f.Fix, strings.Join(names, " --name "), names[len(names)-1])
}

func (f *lookFlags) open(cmd *cobra.Command, what string) (pki.Case, error) {
	c := pki.Case{Now: time.Now()}
	b, host, err := fetch(cmd, what, f.passwordFile)
	switch {
	case err != nil:
		return c, err
	case len(b.Certificates) == 0 && b.Request != nil:
		return c, errdefs.Errorf(errdefs.ErrInvalid, "%s: a signing request, not yet a certificate: registry cert sign %s", what, what)
	case len(b.Certificates) == 0:
		return c, errdefs.Errorf(errdefs.ErrInvalid, "%s: no certificate in it", what)
	}
	c.Chain, c.Key, c.Host = b.Certificates, b.Key, host
	if c.Host != "" { // what is no file
		c.Registry = what
	}
	if f.name != "" {
		n, err := pki.ParseNames(f.name)
		if err != nil {
			return c, err
		}
		c.Host = n.First()
	}
	if f.key != "" {
		data, err := os.ReadFile(f.key)
		if err != nil {
			return c, err
		}
		if c.Key, err = pki.ParseKey(data); err != nil {
			return c, fmt.Errorf("%s: %w", f.key, err)
		}
	}
	c.Roots, err = roots(f.ca)
	return c, err
}

// roots are the authorities of a file, or the system's.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return x509.SystemCertPool()
	}
	certs, err := readCertificates(file)
	pool := x509.NewCertPool()
	for _, r := range certs {
		pool.AddCert(r)
	}
	return pool, err
}

func readCertificates(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	certs, err := pki.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return certs, nil
}
