package repositorycmd

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/api"
	"cove/registry/api/client"
	"cove/registry/api/work"
	"cove/registry/metadata"
)

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	var match string
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"},
		Short: "List the repositories of a project that hold something",
		Example: `  registry repository list team
  registry repository ls team --match web -q`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				path := command.Path("projects", a[0], "repositories")
				all, err := command.All[api.Repository](r, path, "match", match)
				if err != nil {
					return err
				}
				items := command.Items(all, func(one api.Repository) command.Item {
					return command.Item{Row: rowOf(one), Object: one}
				})
				return list.Print(cmd, "NAME TAGS ARTIFACTS PUSHED", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().StringVar(&match, "match", "", "only repositories with this text in their name")
	return cmd
}

func rowOf(one api.Repository) []string {
	pushed := "-"
	if one.PushedAt != nil {
		pushed = command.Stamp(*one.PushedAt)
	}
	return []string{one.Name, number(one.Tags), number(one.Artifacts), pushed}
}

// number is a count, of which the registry counts the first ones.
func number(n api.Count) string {
	if n.More {
		return strconv.FormatInt(n.Value, 10) + "+"
	}
	return strconv.FormatInt(n.Value, 10)
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm REPOSITORY…", Aliases: []string{"delete"}, Short: "Delete all that repositories hold",
		Long:    "Delete all that repositories hold. A server of the registry does it.",
		Example: `  registry repository rm team/app`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a, func(name string) error {
					name = metadata.CanonicalName(name)
					var gone work.Removed
					err := r.Do(r.Context(), client.Call{
						Method: http.MethodDelete, Path: command.Path("repositories", name), Into: &gone,
					})
					if err != nil {
						return err
					}
					_, err = fmt.Fprint(cmd.OutOrStdout(), plural.Sprintf("%s: %d artifacts\n", name, gone.Artifacts))
					return err
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
