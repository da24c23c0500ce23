// Package endpointcmd is the registry's commands on other registries, which rules of
// replication feed or are fed by.
package endpointcmd

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/upstreams"
)

// New is the command "endpoint" with those below it.
func New() *cobra.Command {
	cmd := command.Group("endpoint", "Other registries that rules of replication copy to or from",
		newAdd(), newSet(), newList(), newTest(), newRemove())
	cmd.Long = `An endpoint is another registry: any of the OCI protocol, Harbor, or Docker Hub.
Rules ("registry replication") copy from it or to it. Its password is kept sealed;
the key is keys/secrets.key in the root.`
	return cmd
}

// choices are the flags of an endpoint.
type choices struct {
	spec   upstreams.NewEndpoint
	ca     string
	secret bool
}

func (c *choices) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.spec.Kind, "kind", "", "oci, harbor or docker-hub (default oci, and docker-hub of docker.io)")
	flags.StringVar(&c.spec.User, "user", "", "account there")
	flags.BoolVar(&c.secret, "password-stdin", false, "read its password from standard input")
	flags.StringVar(&c.ca, "ca", "", "file with certificates to trust beside the system's, in PEM form")
	flags.BoolVar(&c.spec.Insecure, "insecure", false, "allow plain HTTP, and a certificate that nobody vouches for")
}

// read completes the spec by what files and standard input have.
func (c *choices) read(cmd *cobra.Command, name, address string) (err error) {
	c.spec.Name, c.spec.Address = name, address
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
		c.spec.Authorities = string(pem)
	}
	if c.secret {
		password, err := command.Secret(cmd.InOrStdin())
		if err != nil {
			return err
		}
		c.spec.Password = &password
	}
	return nil
}

func newAdd() *cobra.Command {
	var t command.Registry
	var c choices
	cmd := &cobra.Command{
		Use: "add NAME ADDRESS", Aliases: []string{"create"}, Short: "Add a registry",
		Long: `Add a registry: docker.io, or HOST[:PORT]. Which of its repositories are copied is
said by the rules. A registry of the kind harbor lists its repositories by its own
API, and gets projects made that are pushed to; docker.io is asked for the
repositories of one namespace at a time.`,
		Example: `  printf %s "$TOKEN" | registry endpoint add berlin registry.berlin.example.com --user robot --password-stdin
  registry endpoint add old harbor.example.com --kind harbor --ca harbor-ca.pem --user admin --password-stdin <secret
  registry endpoint add hub docker.io`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := c.read(cmd, a[0], a[1]); err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return r.Post("/endpoints", c.spec, nil) })
		},
	}
	t.Flags(cmd)
	c.flags(cmd)
	return cmd
}

func newSet() *cobra.Command {
	var t command.Registry
	var c choices
	cmd := &cobra.Command{
		Use: "set NAME ADDRESS", Short: "Change a registry",
		Long: `Change a registry: its address and all flags are given anew. Its password stays what
it was, unless the user or the address change.`,
		Example: `  registry endpoint set berlin registry.berlin.example.com:8443 --user robot --password-stdin <secret`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := c.read(cmd, a[0], a[1]); err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return r.Put(command.Path("endpoints", a[0]), c.spec) })
		},
	}
	t.Flags(cmd)
	c.flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the registries",
		Example: `  registry endpoint ls --format json`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all upstreams.Endpoints
				if err := r.Get("/endpoints", &all); err != nil {
					return err
				}
				return list.Print(cmd, "ENDPOINT KIND ADDRESS USER ADDED", command.Items(all.Items, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func item(e upstreams.Endpoint) command.Item {
	return command.Item{
		Row: []string{e.Name, e.Kind, e.Address, cmp.Or(e.User, "-"), command.Stamp(e.At)}, Object: e,
	}
}

func newTest() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "test NAME", Aliases: []string{"ping"}, Short: "Ask a registry whether it is there and takes the password",
		Example: `  registry endpoint test berlin`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var reply upstreams.Reply
				if err := r.Post(command.Path("endpoints", a[0], "test"), nil, &reply); err != nil {
					return err
				}
				if !reply.OK {
					return errdefs.Errorf(errdefs.ErrUnavailable, "%s", reply.Error)
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s answers\n", a[0])
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove registries that no rule uses",
		Example: `  registry endpoint rm old`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(command.Path("endpoints", name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
