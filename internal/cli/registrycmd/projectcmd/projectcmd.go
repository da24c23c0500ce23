// Package projectcmd is the registry's commands on projects.
package projectcmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/internal/cli/registrycmd/repositorycmd"
	"cove/internal/plural"
	"cove/registry/api"
	"cove/registry/api/access"
	"cove/registry/api/upstreams"
	"cove/registry/projects"
)

// New is the command "project" with those below it.
func New() *cobra.Command {
	return command.Group("project", "Make projects and say who may use them",
		newProjectCreate(), newProjectList(), newProjectMember(),
		newProjectVisibility("public", true), newProjectVisibility("private", false),
		newProjectSparse(), repositorycmd.NewProjectRename(), newProjectRemove(), newProjectRestore())
}

func newProjectCreate() *cobra.Command {
	var t command.Registry
	var public, stdin bool
	var proxy upstreams.NewProxy
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a project",
		Long: `Make a project: the first component of the names of its repositories. A push
by the administrator to a project that does not exist makes it too. With --proxy
it shows what another registry has; "registry proxy create" has all settings.`,
		Example: `  registry project create team
  registry project create mirror --public --root /srv/registry
  registry project create hub --proxy https://docker.io`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			if proxy.Upstream == "" && (proxy.User != "" || stdin) {
				return command.Misused(cmd, errors.New("--proxy-user and --proxy-password-stdin are for --proxy"))
			}
			if stdin {
				if proxy.Password, err = command.Secret(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return t.Do(cmd, func(r command.API) error {
				if proxy.Upstream != "" {
					proxy.Public = public
					return createProxy(r, a[0], proxy)
				}
				return r.Post("/projects", api.NewProject{Name: a[0], Public: public}, nil)
			})
		},
	}
	t.Flags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&public, "public", false, "let everyone pull from it, signed in or not")
	flags.StringVar(&proxy.Upstream, "proxy", "", "address of a registry that it is a proxy of: docker.io, https://HOST[:PORT][/PREFIX]")
	flags.StringVar(&proxy.User, "proxy-user", "", "account at that registry")
	flags.BoolVar(&stdin, "proxy-password-stdin", false, "read its password from standard input")
	return cmd
}

// createProxy makes a project that is a proxy. One that there is stays what it is.
func createProxy(r command.API, name string, spec upstreams.NewProxy) error {
	err := r.Get(command.Path("projects", name), &api.Project{})
	if err == nil {
		return errdefs.Errorf(errdefs.ErrConflict,
			"project %q exists; registry proxy create makes a proxy of one without images", name)
	}
	if !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	return r.Put(command.Path("proxies", name), spec)
}

func newProjectList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the projects",
		Example: `  registry project list --root /srv/registry
  registry project list --server https://registry.example.com --format json`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				all, err := command.All[api.Project](r, "/projects")
				if err != nil {
					return err
				}
				return list.Print(cmd, "NAME PUBLIC SIGNED-ONLY CREATED", command.Items(all, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func item(p api.Project) command.Item {
	return command.Item{
		Row:    []string{p.Name, command.Yes(p.Public), command.Yes(p.SignedOnly), command.Stamp(p.CreatedAt)},
		Object: p,
	}
}

func newProjectRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove projects that hold no images",
		Example: `  registry project rm team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(command.Path("projects", name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectRestore() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "restore NAME", Short: "Make a removed project anew, with what can be had back of it",
		Long: `Make a project anew that was removed, with the repositories in which something was
deleted that is not collected yet; "registry tag restore" brings that back. It is for who
removed the project and for administrators. Members, robots and rules are gone.`,
		Example: `  registry project restore team && registry tag restore team/app`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var done api.RestoredProject
				if err := r.Post(command.Path("projects", a[0], "restore"), nil, &done); err != nil {
					return err
				}
				said := plural.Sprintf("%s: %d repositories\n", done.Name, done.Repositories)
				_, err := fmt.Fprint(cmd.OutOrStdout(), said)
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectMember() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use:   "member PROJECT USER ROLE",
		Short: "Give a user a role in a project",
		Long: `Give a user a role in a project.

  limited-guest  pulls
  guest          pulls
  developer      pulls and pushes
  maintainer     pulls, pushes and deletes
  project-admin  everything in the project
  none           is no member any more`,
		Example: `  registry project member team alice developer`,
		Args:    command.Args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				member := command.Path("projects", a[0], "members", a[1])
				if a[2] == projects.NoRole {
					return r.Delete(member)
				}
				return r.Put(member, access.MemberRole{Role: a[2]})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectVisibility(word string, public bool) *cobra.Command {
	var t command.Registry
	short := "Let only members pull from a project"
	if public {
		short = "Let everyone pull from a project, signed in or not"
	}
	cmd := &cobra.Command{
		Use: word + " PROJECT", Short: short,
		Example: "  registry project " + word + " library",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return r.Patch(command.Path("projects", a[0]), api.ProjectChange{Public: &public})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectSparse() *cobra.Command {
	var t command.Registry
	var off bool
	cmd := &cobra.Command{
		Use: "sparse PROJECT", Short: "Take indexes without all of their manifests, or refuse them again",
		Long: `Take indexes without all of their manifests, as who mirrors a few platforms of an
image pushes them. Without it such an index is refused, with what is missing. A
pull of a manifest that never came is answered as not found.`,
		Example: `  registry project sparse mirror
  registry project sparse mirror --off`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				sparse := !off
				return r.Patch(command.Path("projects", a[0]), api.ProjectChange{Sparse: &sparse})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&off, "off", false, "refuse them again; those that are there stay")
	return cmd
}
