package registrycmd

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/accounts"
	"cove/registry/clients"
)

// newClientConfig prints what the page of the first push shows.
func newClientConfig() *cobra.Command {
	setup := clients.Setup{Own: true}
	var plain, public bool
	known := setup.Clients()
	ids := make([]string, len(known))
	for i, c := range known {
		ids[i] = c.ID
	}
	cmd := &cobra.Command{
		Use:   "client-config CLIENT HOST[:PORT]",
		Short: "Print what a client needs to use the registry: trust, sign-in, first push",
		Long: `Print what to type on a client's machine so that it trusts the registry, signs in
and pushes a first image. CLIENT is ` + strings.Join(ids, ", ") + ".",
		Example: `  registry client-config docker harbor.example.com
  registry client-config containerd harbor.example.com:5000 --user ci
  registry client-config podman localhost:5000 --plain-http`,
		Args:      command.Args(cobra.ExactArgs(2)),
		ValidArgs: ids,
		RunE: func(cmd *cobra.Command, a []string) error {
			i := slices.Index(ids, a[0])
			if i < 0 {
				return command.Misused(cmd, fmt.Errorf("client %q: it is one of %s", a[0], strings.Join(ids, ", ")))
			}
			base := &url.URL{Scheme: "https", Host: a[1]}
			if plain {
				base.Scheme = "http"
			}
			if again, err := url.Parse(base.String()); err != nil || again.Host != a[1] || a[1] == "" {
				return command.Misused(cmd, fmt.Errorf("host %q: want HOST or HOST:PORT, without scheme or path", a[1]))
			}
			setup.Base, setup.Host, setup.Own = base.String(), a[1], !public
			_, err := fmt.Fprintln(cmd.OutOrStdout(), setup.Clients()[i].Commands)
			return err
		},
	}
	cmd.Flags().StringVar(&setup.User, "user", accounts.AdminUser, "who signs in")
	cmd.Flags().BoolVar(&plain, "plain-http", false, "the registry is served without TLS")
	cmd.Flags().BoolVar(&public, "public-ca", false, "its certificate is of an authority that every machine knows")
	return cmd
}
