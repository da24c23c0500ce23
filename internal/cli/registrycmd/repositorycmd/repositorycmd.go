// Package repositorycmd is the registry's commands on whole repositories, and on the names
// of projects.
package repositorycmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/metadata"
)

// New is the command "repository" with those below it.
func New() *cobra.Command {
	return command.Group("repository", "List, describe, delete, rename and move repositories",
		newList(), newShow(), newDescribe(), newRemove(), newRename(), newFormer(), newRelease())
}

const renameLong = `No bytes move: images, tags and their history, rights, rules and quotas stay as they are and
follow the new name. For a time the old name is good for pulls, which are told the new one;
a push to it is refused, and nobody else takes it. What does not follow, as a rule whose
globs do not match any more, is printed.`

// keeping is the flag of how long an old name stays.
type keeping struct{ text string }

func (k *keeping) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.text, "keep", "90d", "how long the old name is good for pulls, as 30d; 0d is not at all")
}

func (k *keeping) days(cmd *cobra.Command) (*int, error) {
	text, ok := strings.CutSuffix(k.text, "d")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 0 {
		return nil, command.Misused(cmd, fmt.Errorf("--keep %q: use a number of days, as 30d", k.text))
	}
	return &n, nil
}

func newRename() *cobra.Command {
	var t command.Registry
	var keep keeping
	cmd := &cobra.Command{
		Use: "rename REPOSITORY NAME", Aliases: []string{"mv", "move"},
		Short: "Give a repository another name, in its project or in another",
		Long:  "Give a repository another name, in its project or in another.\n\n" + renameLong,
		Example: `  registry repository rename team/app team/web
  registry repository mv team/app platform/app --keep 365d`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			days, err := keep.days(cmd)
			if err != nil {
				return err
			}
			from, to := metadata.CanonicalName(a[0]), metadata.CanonicalName(a[1])
			return t.Do(cmd, func(r command.API) error {
				return send(cmd, r, command.Path("rename", from), work.Renaming{To: to, KeepDays: days})
			})
		},
	}
	t.Flags(cmd)
	keep.flag(cmd)
	return cmd
}

// NewProjectRename is "project rename".
func NewProjectRename() *cobra.Command {
	var t command.Registry
	var keep keeping
	cmd := &cobra.Command{
		Use: "rename PROJECT NAME", Aliases: []string{"mv"},
		Short: "Give a project another name, and so its repositories",
		Long: "Give a project another name, and so its repositories.\n\n" + renameLong + `
Robots keep their names, and with them their secrets.`,
		Example: `  registry project rename team platform
  registry project rename team platform --keep 0d`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			days, err := keep.days(cmd)
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				return send(cmd, r, command.Path("projects", a[0], "rename"), work.Renaming{To: a[1], KeepDays: days})
			})
		},
	}
	t.Flags(cmd)
	keep.flag(cmd)
	return cmd
}

func send(cmd *cobra.Command, r command.API, path string, body work.Renaming) error {
	var done work.Renamed
	if err := r.Post(path, body, &done); err != nil {
		return err
	}
	for _, note := range done.Notes {
		cmd.PrintErrln("note: " + note)
	}
	if done.Until != nil {
		cmd.PrintErrf("the old name is good for pulls until %s\n", done.Until.Format(time.DateOnly))
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), done.Name)
	return err
}

func newFormer() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "former PROJECT", Short: "List the names that a project and its repositories had",
		Example: `  registry repository former team
  registry repository former team --format '{{.Name}} {{.Now}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.FormerNames
				if err := r.Get(command.Path("projects", a[0], "former-names"), &all); err != nil {
					return err
				}
				items := command.Items(all.Items, func(f work.FormerName) command.Item {
					return command.Item{Row: []string{f.Name, f.Now, command.Stamp(f.Until), f.By}, Object: f}
				})
				return list.Print(cmd, "NAME NOW UNTIL BY", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newRelease() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "release PROJECT NAME…", Short: "Have former names be good for pulls no more, and free for others",
		Example: `  registry repository release platform team team/app`,
		Args:    command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a[1:], func(name string) error {
					return r.Delete(command.Path("projects", a[0], "former-names", name))
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
