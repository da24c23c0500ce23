// Package quotacmd is the registry's commands on how many bytes projects use, and may
// use.
package quotacmd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/quota"
)

// New is the command "quota" with those below it.
func New() *cobra.Command {
	return command.Group("quota", "See how many bytes projects use, and limit them",
		newList(), newShow(), newSet(), newExplain(), newRecount())
}

func size(n int64) string { return units.BytesSize(float64(n)) }

func limit(n int64) string {
	if n == quota.Unlimited {
		return "none"
	}
	return size(n)
}

const columns = "PROJECT USED LIMIT USED% WAITING"

// item is a project as the table and JSON show it.
func item(u work.Quota) command.Item {
	of, percent := limit(u.Limit), "-"
	if u.Limit != quota.Unlimited {
		percent = strconv.FormatInt(quota.Usage{Used: u.Used, Limit: u.Limit}.Percent(), 10)
		if !u.Own {
			of += " (default)"
		}
	}
	return command.Item{
		Row: []string{u.Project, size(u.Used), of, percent, size(u.Waiting)}, Object: u,
	}
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List what projects use, the largest first",
		Long: `List what projects use, the largest first. Each digest counts once in a project,
however many of its repositories have it. WAITING is what no manifest needs any
more: it does not count, and the collector takes it.`,
		Example: `  registry quota list
  registry quota list --format '{{.Project}} {{.Used}} {{.Limit}}'`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				all, err := command.All[work.Quota](r, "/quotas")
				if err != nil {
					return err
				}
				slices.SortStableFunc(all, func(a, b work.Quota) int { return cmp.Compare(b.Used, a.Used) })
				return list.Print(cmd, columns, command.Items(all, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newShow() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "show PROJECT…", Short: "Show what projects use, and may use",
		Example: `  registry quota show team
  registry quota show team --format json`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all []work.Quota
				for _, name := range names {
					var u work.Quota
					if err := r.Get(command.Path("projects", name, "quota"), &u); err != nil {
						return err
					}
					all = append(all, u)
				}
				return list.Print(cmd, columns, command.Items(all, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newSet() *cobra.Command {
	var t command.Registry
	var standard bool
	cmd := &cobra.Command{
		Use: "set [PROJECT…] SIZE", Short: "Limit how many bytes projects use",
		Long: `Limit how many bytes projects use. A push that does not fit is refused. What a
project uses already stays, however small the limit.

SIZE is as 10GiB, or a number of bytes; "none" is no limit; "default" takes its own
limit from a project, so that that of all holds.`,
		Example: `  registry quota set team 50GiB
  registry quota set --default 10GiB
  registry quota set team default`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			names := a[:len(a)-1]
			if standard != (len(names) == 0) {
				return command.Misused(cmd, fmt.Errorf("name projects, or use --default for those without a limit of their own"))
			}
			bytes, err := quota.Parse(a[len(a)-1])
			if err != nil {
				return command.Misused(cmd, err)
			}
			return t.Do(cmd, func(r command.API) error {
				if standard {
					return setLimit(r, "/quotas/default", bytes)
				}
				return command.Each(names, func(name string) error {
					return setLimit(r, command.Path("projects", name, "quota"), bytes)
				})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&standard, "default", false, "the limit of projects without one of their own")
	return cmd
}

// setLimit sets a limit, or, when it is nil, has that of all hold.
func setLimit(r command.API, path string, bytes *int64) error {
	if bytes == nil {
		return r.Delete(path)
	}
	return r.Put(path, work.Limit{Limit: *bytes})
}

func newExplain() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use:   "explain PROJECT|REPOSITORY[:TAG|@DIGEST]…",
		Short: "Show what something holds, and what deleting it would free",
		Long: `Show what a project, a repository or an artifact holds, and what deleting it would
free: ALONE is what nothing else in the registry has, and is free once the
collector has been there; COUNTED is what stops counting in the project at once. An
artifact goes with what only it lists, as the platforms of an index.

A name with a slash is a repository.`,
		Example: `  registry quota explain team
  registry quota explain team/app team/app:v1`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return t.Do(cmd, func(r command.API) error {
				var items []command.Item
				for _, ref := range refs {
					share, err := explain(r, ref)
					if err != nil {
						return err
					}
					items = append(items, shareItem(ref, share))
				}
				return list.Print(cmd, "OF HELD ALONE SHARED COUNTED", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// explain asks what a project, a repository or an artifact holds.
func explain(r command.API, ref string) (s work.Share, err error) {
	if !strings.Contains(ref, "/") {
		err = r.Get(command.Path("projects", ref, "usage"), &s)
		return s, err
	}
	repo, tag, dgst := quota.Cut(ref)
	err = r.Get(command.Path("usage", repo), &s, "tag", tag, "digest", dgst.String())
	return s, err
}

func shareItem(ref string, s work.Share) command.Item {
	return command.Item{
		Row: []string{ref, size(s.Held), size(s.Alone), size(s.Shared), size(s.Counted)}, Object: s,
	}
}

func newRecount() *cobra.Command {
	var t command.Registry
	var list command.List
	var mend bool
	cmd := &cobra.Command{
		Use: "recount [PROJECT]", Short: "Count anew what projects use, and tell what differs",
		Long: `Count anew what projects use, and tell what differs. The registry does it every
night. Nothing ever should: the sums are kept by the transactions that change
them. The columns say by how much each sum is off: of how many digests, by how many
bytes that are used and that wait for the collector, and of how many repositories.
A difference ends the command with status 1, unless it is mended.`,
		Example: `  registry quota recount
  registry quota recount team --mend`,
		Args: command.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.Recounts
				asked := work.RecountRequest{Project: append(a, "")[0], Mend: mend}
				if err := r.Post("/quotas/recount", asked, &all); err != nil {
					return err
				}
				err := list.Print(cmd, recounted, command.Items(all.Items, recountItem))
				wrong := slices.IndexFunc(all.Items, func(r work.Recount) bool { return !r.Equal && !r.Mended })
				if err == nil && wrong >= 0 {
					err = errdefs.Errorf(errdefs.ErrCorrupt,
						"what project %q uses is not counted right; run it again with --mend", all.Items[wrong].Project)
				}
				return err
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().BoolVar(&mend, "mend", false, "have the sums be what is found")
	return cmd
}

const recounted = "PROJECT EQUAL DIGESTS-OFF USED-OFF WAITING-OFF REPOSITORIES-OFF MENDED"

func recountItem(r work.Recount) command.Item {
	return command.Item{
		Row: []string{
			r.Project, command.Yes(r.Equal), strconv.Itoa(r.Digests), strconv.FormatInt(r.Used, 10),
			strconv.FormatInt(r.Waiting, 10), strconv.Itoa(r.Repositories), command.Yes(r.Mended),
		},
		Object: r,
	}
}
