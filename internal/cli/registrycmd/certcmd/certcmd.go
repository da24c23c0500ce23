// Package certcmd is the registry's commands on certificates.
package certcmd

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/atomicfile"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/pki"
)

// New is the command "cert" with those below it.
func New() *cobra.Command {
	return command.Group("cert", "Make, look at and explain certificates",
		newCertInit(), newCertCSR(), newCertSign(), newCertIssue(), newCertInspect(), newCertExplain())
}

func newCertInit() *cobra.Command {
	var dir string
	var names []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a certificate authority and a server certificate in a folder",
		Long: `Make ca.crt, ca.key, server.crt and server.key in a folder. An authority that is
there is kept; the server certificate is issued again when it lacks a name.`,
		Example: `  registry cert init --dir /srv/registry/tls --name harbor.example.com --name 10.0.0.5`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := pki.ParseNames(names...)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				return err
			}
			e, err := pki.Ensure(root, n.WithLocal(), time.Now())
			if err := errors.Join(err, root.Close()); err != nil {
				return err
			}
			what := "kept"
			if e.Issue {
				what = "issued"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s for %s, until %s\nclients trust %s\n", what,
				filepath.Join(dir, pki.ServerCert),
				strings.Join(pki.NamesOf(e.Server.Cert),
					", "), e.Server.Cert.NotAfter.Format(time.DateOnly), filepath.Join(dir, pki.AuthorityCert))
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the folder")
	nameFlag(cmd, &names)
	return cmd
}

func newCertCSR() *cobra.Command {
	var names []string
	var key, out string
	cmd := &cobra.Command{
		Use:   "csr",
		Short: "Make a signing request, for an authority of your own",
		Long: `Make a signing request with subject alternative names. The key is read from
--key, or made and written there when the file does not exist.`,
		Example: `  registry cert csr --name harbor.example.com --name IP:10.0.0.5 --key server.key --out server.csr`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := wantNames(cmd, names)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(key)
			if errors.Is(err, os.ErrNotExist) {
				csr, keyPEM, err := pki.NewRequest(n, nil)
				if err != nil {
					return err
				}
				return errors.Join(write(key, keyPEM, 0o600), write(out, csr, 0o644))
			} else if err != nil {
				return err
			}
			signer, err := pki.ParseKey(data)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			csr, _, err := pki.NewRequest(n, signer)
			if err != nil {
				return err
			}
			return write(out, csr, 0o644)
		},
	}
	nameFlag(cmd, &names)
	cmd.Flags().StringVar(&key, "key", "server.key", "the server's key")
	cmd.Flags().StringVar(&out, "out", "server.csr", "where the request goes")
	return cmd
}

// authorityFlags name the authority that signs.
type authorityFlags struct{ cert, key string }

func (f *authorityFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cert, "ca", pki.AuthorityCert, "the authority's certificate")
	cmd.Flags().StringVar(&f.key, "ca-key", pki.AuthorityKey, "the authority's key")
}

func (f *authorityFlags) open() (*pki.Pair, error) {
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, err
	}
	ca, err := pki.ParsePair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", f.cert, f.key, err)
	}
	return ca, nil
}

func newCertSign() *cobra.Command {
	var ca authorityFlags
	var names []string
	var out string
	cmd := &cobra.Command{
		Use:   "sign CSR",
		Short: "Sign a signing request",
		Long: `Sign a signing request. The certificate is valid for the names that the request
asks for and those of --name; one that asks for none, but has a common name, which
clients ignore, needs --name.`,
		Example: `  registry cert sign server.csr --ca tls/ca.crt --ca-key tls/ca.key --out server.crt
  registry cert sign old.csr --name harbor.example.com --name 10.0.0.5`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			authority, err := ca.open()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(a[0])
			if err != nil {
				return err
			}
			csr, err := pki.ParseRequest(data)
			if err != nil {
				return fmt.Errorf("%s: %w", a[0], err)
			}
			n, err := pki.ParseNames(names...)
			if err != nil {
				return err
			}
			p, err := authority.SignRequest(csr, n, time.Now())
			if err != nil {
				return fmt.Errorf("%s: %w", a[0], err)
			}
			return write(out, p.CertPEM, 0o644)
		},
	}
	ca.flags(cmd)
	cmd.Flags().StringArrayVar(&names, "name", nil,
		"another host name or address it is valid for; may be given several times")
	cmd.Flags().StringVar(&out, "out", "server.crt", "where the certificate goes")
	return cmd
}

func newCertIssue() *cobra.Command {
	var ca authorityFlags
	var names []string
	var out, key string
	cmd := &cobra.Command{
		Use:     "issue",
		Short:   "Make a key and a certificate for it, in one step",
		Example: `  registry cert issue --name harbor.example.com --ca tls/ca.crt --ca-key tls/ca.key`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := wantNames(cmd, names)
			if err != nil {
				return err
			}
			authority, err := ca.open()
			if err != nil {
				return err
			}
			p, err := authority.Issue(n, time.Now())
			if err != nil {
				return err
			}
			return errors.Join(write(key, p.KeyPEM, 0o600), write(out, p.CertPEM, 0o644))
		},
	}
	ca.flags(cmd)
	nameFlag(cmd, &names)
	cmd.Flags().StringVar(&out, "out", "server.crt", "where the certificate goes")
	cmd.Flags().StringVar(&key, "key", "server.key", "where its key goes")
	return cmd
}

func newCertInspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE|HOST:PORT",
		Short: "Show what certificates say",
		Example: `  registry cert inspect /srv/registry/tls/server.crt
  registry cert inspect harbor.example.com:443`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			chain, _, err := pki.Fetch(cmd.Context(), a[0])
			if err != nil {
				return err
			}
			for _, cert := range chain {
				if err := describe(cmd.OutOrStdout(), cert); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func describe(w io.Writer, cert *x509.Certificate) error {
	kind := "server"
	if cert.IsCA {
		kind = "authority"
	}
	_, err := fmt.Fprintf(w, "subject:    %s (%s)\nissuer:     %s\nvalid:      %s to %s\nnames:      %s\nkey:        %s\n",
		cert.Subject, kind, cert.Issuer, command.Stamp(cert.NotBefore), command.Stamp(cert.NotAfter),
		strings.Join(pki.NamesOf(cert), ", "), cert.PublicKeyAlgorithm)
	return err
}

type explainFlags struct{ name, ca, key string }

func newCertExplain() *cobra.Command {
	var f explainFlags
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
	cmd.Flags().StringVar(&f.key, "key", "", "the server's key, to see whether it fits")
	return cmd
}

// fixOf is the way out, with the commands for it.
func fixOf(f pki.Finding) string {
	if len(f.Issue) == 0 {
		return f.Fix
	}
	return fmt.Sprintf("%s: registry cert issue --name %s; a registry's own is issued by: registry serve --hostname %s",
		f.Fix, strings.Join(f.Issue, " --name "), f.Issue[len(f.Issue)-1])
}

func (f *explainFlags) open(cmd *cobra.Command, what string) (pki.Case, error) {
	c := pki.Case{Now: time.Now()}
	var err error
	if c.Chain, c.Host, err = pki.Fetch(cmd.Context(), what); err != nil {
		return c, err
	}
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
	if f.ca == "" {
		c.Roots, err = x509.SystemCertPool()
		return c, err
	}
	data, err := os.ReadFile(f.ca)
	if err != nil {
		return c, err
	}
	roots, err := pki.ParseCertificates(data)
	if err != nil {
		return c, fmt.Errorf("%s: %w", f.ca, err)
	}
	c.Roots = x509.NewCertPool()
	for _, r := range roots {
		c.Roots.AddCert(r)
	}
	return c, nil
}

func nameFlag(cmd *cobra.Command, names *[]string) {
	cmd.Flags().StringArrayVar(names, "name", nil, "host name or address it is valid for; may be given several times")
}

func wantNames(cmd *cobra.Command, names []string) (pki.Names, error) {
	if len(names) == 0 {
		return pki.Names{}, command.Misused(cmd,
			errors.New("at least one --name is needed; clients look at nothing else"))
	}
	return pki.ParseNames(names...)
}

// write replaces a file durably.
func write(name string, data []byte, perm os.FileMode) error {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(atomicfile.Write(dir, filepath.Base(name), data, perm, atomicfile.Durable), dir.Close())
}
