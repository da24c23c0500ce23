package tagcmd

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
	"cove/registry/browse"
	"cove/registry/metadata"
)

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	var n int
	var order, match, label string
	cmd := &cobra.Command{
		Use: "list REPOSITORY", Aliases: []string{"ls"}, Short: "List the tags of a repository",
		Example: `  registry tag list team/app
  registry tag ls team/app --match 1.2 --order name --format '{{.Name}} {{.Digest}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			switch {
			case n < 0:
				return command.Misused(cmd, fmt.Errorf("--limit %d: it is a number of tags, or 0 for all", n))
			case !slices.Contains([]browse.Order{browse.Newest, browse.ByName, browse.BySize}, browse.Order(order)):
				err := fmt.Errorf("--order %q: it is %s, %s or %s", order, browse.Newest, browse.ByName, browse.BySize)
				return command.Misused(cmd, err)
			}
			return t.Do(cmd, func(r command.API) error {
				path := command.Path("tags", metadata.CanonicalName(a[0]))
				most := n
				if most == 0 {
					most = math.MaxInt
				}
				all, err := command.First[api.Tag](r, most, path, "order", order, "match", match, "label", label)
				if err != nil {
					return err
				}
				items := command.Items(all, func(tag api.Tag) command.Item {
					return command.Item{Row: []string{
						tag.Name, short(tag.Digest), units.BytesSize(float64(tag.Size)), command.Stamp(tag.PushedAt),
						tag.PushedBy, strings.Join(tag.Labels, ","),
					}, Object: tag}
				})
				return list.Print(cmd, "TAG DIGEST SIZE PUSHED BY LABELS", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().IntVarP(&n, "limit", "n", 0, "how many tags at most; 0 is all")
	cmd.Flags().StringVar(&order, "order", string(browse.Newest), `"newest" or "size" (the largest) first, or "name"`)
	cmd.Flags().StringVar(&match, "match", "", "only tags with this text in their name")
	cmd.Flags().StringVar(&label, "label", "", "only tags of artifacts with a label of this name")
	return cmd
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm REPOSITORY:TAG|REPOSITORY@DIGEST…", Aliases: []string{"delete"},
		Short: "Delete tags, or artifacts with all their tags",
		Long:  "Delete tags, or artifacts with all their tags. A server of the registry does it.",
		Example: `  registry tag rm team/app:v1 team/app:v2
  registry tag rm team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			for _, text := range a { // nothing is deleted of a list that is wrong
				r, err := name(text)
				if err == nil && r.Tag == "" && r.Digest == "" {
					err = fmt.Errorf("%q names no tag; use REPOSITORY:TAG, or repository rm for all of it", text)
				}
				if err != nil {
					return command.Misused(cmd, err)
				}
			}
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a, func(text string) error {
					return r.Delete(command.Path("artifacts", metadata.CanonicalName(text)))
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
