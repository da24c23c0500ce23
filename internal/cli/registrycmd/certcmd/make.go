package certcmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/pki"
)

func newInit() *cobra.Command {
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

func newCSR() *cobra.Command {
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

func newSign() *cobra.Command {
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

func newIssue() *cobra.Command {
	var ca authorityFlags
	var names []string
	var out, key, p12, passwordFile string
	cmd := &cobra.Command{
		Use:   "issue",
		Short: "Make a key and a certificate for it, in one step",
		Example: `  registry cert issue --name harbor.example.com --ca tls/ca.crt --ca-key tls/ca.key
  registry cert issue --name harbor.example.com --pkcs12 server.p12 --password-file pass`,
		Args: command.Args(cobra.MaximumNArgs(0)),
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
			if p12 == "" {
				return errors.Join(write(key, p.KeyPEM, 0o600), write(out, p.CertPEM, 0o644))
			}
			secret, err := password(passwordFile)
			if err != nil {
				return err
			}
			if secret == "" {
				return command.Misused(cmd, errors.New("--pkcs12 needs --password-file: the key in it is encrypted with that"))
			}
			data, err := p.EncodePKCS12(secret)
			if err != nil {
				return err
			}
			return write(p12, data, 0o600)
		},
	}
	ca.flags(cmd)
	nameFlag(cmd, &names)
	cmd.Flags().StringVar(&p12, "pkcs12", "", "write both into one encrypted file instead")
	passwordFlag(cmd, &passwordFile)
	cmd.Flags().StringVar(&out, "out", "server.crt", "where the certificate goes")
	cmd.Flags().StringVar(&key, "key", "server.key", "where its key goes")
	return cmd
}
