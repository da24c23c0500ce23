// Package proxycmd is the registry's commands on projects that are proxies of other
// registries.
package proxycmd

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/upstreams"
	"cove/registry/proxy"
)

const about = `A project that is a proxy shows what another registry has, and keeps what was
asked for: the first pull of a blob stores it while it is sent on, and the next
ones come from here. A tag is compared with the upstream's once it is no longer
fresh. What is here is served whatever the upstream does.

  docker pull registry.example.com/hub/redis     of a proxy "hub" of docker.io`

// New is the command "proxy" with those below it.
func New() *cobra.Command {
	cmd := command.Group("proxy", "Show what other registries have, and keep what is asked for",
		newCreate(), newList(), newRemove())
	cmd.Long = about
	return cmd
}

func newCreate() *cobra.Command {
	var t command.Registry
	var spec upstreams.NewProxy
	var fresh, keep time.Duration
	var stdin bool
	var rate string
	cmd := &cobra.Command{
		Use:   "create PROJECT UPSTREAM",
		Short: "Make a project that is a proxy, or change one",
		Long: `Make a project that is a proxy of UPSTREAM: docker.io, HOST[:PORT], or one of
them with a path, with which the names of repositories there begin. The project
is made if it does not exist; one that holds images is refused. For a proxy that
there is, all settings are given anew.

The upstream's password is kept sealed; the key is keys/secrets.key in the root.
Certificates of the upstream are looked for in /etc/docker/certs.d too.`,
		Example: `  registry proxy create hub docker.io --public
  printf %s "$TOKEN" | registry proxy create ghcr ghcr.io --user me --password-stdin --keep 720h
  registry proxy create lab lab.example.com:5000/team --fresh 0s --rate 10MB`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			spec.Upstream, spec.Fresh, spec.Keep = a[1], fresh.String(), keep.String()
			if rate != "" {
				if spec.Rate, err = units.FromHumanSize(rate); err != nil {
					return command.Misused(cmd, fmt.Errorf("--rate is %q; use bytes a second, as 10MB", rate))
				}
			}
			if stdin {
				if spec.Password, err = command.Secret(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return t.Do(cmd, func(r command.API) error { return r.Put(command.Path("proxies", a[0]), spec) })
		},
	}
	t.Flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&spec.User, "user", "", "account at the upstream")
	flags.BoolVar(&stdin, "password-stdin", false, "read its password from standard input")
	flags.BoolVar(&spec.Insecure, "insecure", false, "allow plain HTTP, and a certificate that nobody vouches for")
	flags.BoolVar(&spec.Public, "public", false, "let everyone pull, if the project is made")
	flags.StringArrayVar(&spec.Repositories, "repository", nil,
		"show only repositories whose name within the project is like this; * stands for any text; may be given several times")
	flags.DurationVar(&fresh, "fresh", proxy.DefaultFresh,
		"how long a tag is taken to be what it was; 0s asks each time")
	flags.DurationVar(&keep, "keep", 0, "how long something stays after its last pull (default for ever)")
	flags.StringVar(&rate, "rate", "", "bytes a second from the upstream, as 10MB (default without a limit)")
	flags.IntVar(&spec.Connections, "connections", 0, "blobs at once from the upstream (default 16)")
	return cmd
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the projects that are proxies",
		Long: `List the projects that are proxies: what they show, how long a tag is fresh, and
how long something stays after its last pull. No password is shown.`,
		Example: `  registry proxy list --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all upstreams.Proxies
				if err := r.Get("/proxies", &all); err != nil {
					return err
				}
				return list.Print(cmd, columns, command.Items(all.Items, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

const columns = "NAME UPSTREAM USER REPOSITORIES FRESH KEEP CREATED"

func item(p upstreams.Proxy) command.Item {
	keep := p.Keep
	if keep == time.Duration(0).String() {
		keep = "for ever"
	}
	return command.Item{Row: []string{
		p.Project, p.Upstream, cmp.Or(p.User, "-"), strings.Join(p.Repositories, " "), p.Fresh, keep,
		command.Stamp(p.CreatedAt),
	}, Object: p}
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm PROJECT…", Aliases: []string{"remove"}, Short: "Make ordinary projects of proxies",
		Long:    `Make ordinary projects of proxies. What they hold stays, and can be pulled.`,
		Example: `  registry proxy rm hub`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(command.Path("proxies", name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
