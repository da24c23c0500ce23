package certcmd

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/pki"
)

type fixFlags struct {
	look  lookFlags
	ca    authorityFlags
	chain string
	names []string
}

func newFix() *cobra.Command {
	var f fixFlags
	cmd := &cobra.Command{
		Use:   "fix CERTIFICATE --key KEY",
		Short: "Replace a certificate that clients refuse by one that they accept",
		Long: `Replace a certificate that clients refuse (without names, for another name, expired,
with another key, without its chain) by one that they accept, and keep the old
files as FILE.old.

With the key of the authority (--ca, --ca-key) a new certificate is issued, valid for
the old names and those of --name. With --chain, a file of authorities' certificates,
what leads from the certificate to its root is appended. Otherwise a signing request
is written beside it, for whoever signed the old one.`,
		Example: `  registry cert fix server.crt --key server.key --name harbor.example.com --ca ca.crt --ca-key ca.key
  registry cert fix server.crt --key server.key --chain intermediates.pem
  registry cert fix server.crt --key server.key --name harbor.example.com`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if f.look.key == "" {
				return command.Misused(cmd, errors.New("--key is needed: where the server's key is, or shall be"))
			}
			return f.run(cmd, a[0])
		},
	}
	f.look.add(cmd)
	f.ca.flags(cmd)
	cmd.Flags().StringVar(&f.chain, "chain", "", "certificates of the authorities between the server's and the root")
	cmd.Flags().StringArrayVar(&f.names, "name", nil,
		"host name or address by which clients come; may be given several times")
	return cmd
}

func (f *fixFlags) run(cmd *cobra.Command, file string) error {
	c, with, err := f.open(cmd, file)
	if err != nil {
		return err
	}
	fixed, err := pki.Fix(c, with)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	out := cmd.OutOrStdout()
	switch {
	case fixed == nil:
		names := strings.Join(pki.NamesOf(c.Chain[0]), ", ")
		_, err = fmt.Fprintf(out, "%s: nothing to fix: valid for %s\n", file, names)
	case fixed.Pair != nil:
		err = errors.Join(replace(f.look.key, fixed.Pair.KeyPEM, 0o600), replace(file, fixed.Pair.CertPEM, 0o644))
		if err == nil {
			cert := fixed.Pair.Cert
			names, until := strings.Join(pki.NamesOf(cert), ", "), cert.NotAfter.Format(time.DateOnly)
			_, err = fmt.Fprintf(out, "%s: issued again for %s, until %s, with a new key in %s; the old files end in .old\n",
				file, names, until, f.look.key)
		}
	case fixed.ChainPEM != nil:
		if err = replace(file, fixed.ChainPEM, 0o644); err == nil {
			_, err = fmt.Fprintf(out, "%s: it has its chain now; the old file is %s.old\n", file, file)
		}
	default:
		err = f.request(cmd, file, fixed.Request)
	}
	return err
}

// request writes a signing request and its key. The files that are served stay
// as they are until the answer is there.
func (f *fixFlags) request(cmd *cobra.Command, file string, r *pki.Request) error {
	csr, key := file+".csr", f.look.key+".new"
	if err := errors.Join(write(key, r.KeyPEM, 0o600), write(csr, r.CSRPEM, 0o644)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), `%[1]s: no authority's key is at hand, so whoever signed it must sign again:
  1. send them %[2]s
  2. put what they answer in place of %[1]s, and %[3]s in place of %[4]s
(with --ca and --ca-key this command does it all)
`, file, csr, key, f.look.key)
	return err
}

func (f *fixFlags) open(cmd *cobra.Command, file string) (c pki.Case, with pki.Remedies, err error) {
	look := f.look
	if _, err := os.Stat(look.key); errors.Is(err, os.ErrNotExist) {
		look.key = "" // lost: a new one is made
	}
	authority, err := f.ca.open()
	switch {
	case err == nil:
		look.ca, with.Authority = f.ca.cert, authority
	case cmd.Flags().Changed("ca") || cmd.Flags().Changed("ca-key") || !errors.Is(err, os.ErrNotExist):
		return c, with, err
	}
	if c, err = look.open(cmd, file); err != nil {
		return c, with, err
	}
	if f.chain != "" {
		if with.Chain, err = readCertificates(f.chain); err != nil {
			return c, with, err
		}
		trustTops(c.Roots, with.Chain)
	}
	with.Names, err = pki.ParseNames(f.names...)
	return c, with, err
}

// trustTops adds those that signed themselves: who lists them as the end of a
// chain has clients that trust them.
func trustTops(roots *x509.CertPool, chain []*x509.Certificate) {
	for _, cert := range chain {
		if cert.CheckSignatureFrom(cert) == nil {
			roots.AddCert(cert)
		}
	}
}

// replace writes a file and keeps what it was as FILE.old.
func replace(name string, data []byte, perm os.FileMode) error {
	old, err := os.ReadFile(name)
	switch {
	case err == nil:
		if err := write(name+".old", old, perm); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return write(name, data, perm)
}
