// Package labelcmd is the registry's commands on labels that people put on artifacts.
package labelcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
)

const about = `A label is a name with a colour. People put labels on artifacts, by hand or from a
script, and find what has them again; replication rules choose by them. With --project a
label is one of that project, without it one of all projects.`

// New is the command "label" with those below it.
func New() *cobra.Command {
	cmd := command.Group("label", "Make labels, and put them on artifacts",
		newCreate(), newList(), newSet(), newRemove(), newRestore(), newAdd(), newTake())
	cmd.Long = about
	return cmd
}

// target is a registry, and whose labels.
type target struct {
	command.Registry
	project string
}

// Flags adds those of a command on labels of a project or of all.
func (t *target) Flags(cmd *cobra.Command) {
	t.Registry.Flags(cmd)
	cmd.Flags().StringVar(&t.project, "project", "", "of this project (default: of all projects)")
}

// path is where the labels are.
func (t *target) path() string {
	if t.project == "" {
		return command.Path("labels")
	}
	return command.Path("projects", t.project, "labels")
}

// with calls f with where the label of a name is.
func (t *target) with(r command.API, name string, f func(path string) error) error {
	all, err := command.All[api.Label](r, t.path())
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Name == name {
			return f(t.path() + command.Path(l.ID))
		}
	}
	if t.project == "" {
		return errdefs.Errorf(errdefs.ErrNotFound, "there is no label %q of all projects", name)
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no label %q", t.project, name)
}

func newCreate() *cobra.Command {
	var t target
	var description, color string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a label",
		Example: `  registry label create stable --color '#1a7f37'
  registry label create reviewed --project team --description 'Looked at by the security team'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			change := api.LabelChange{Name: &a[0], Description: &description, Color: &color}
			return t.Do(cmd, func(r command.API) error { return r.Post(t.path(), change, nil) })
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&description, "description", "", "what it means")
	cmd.Flags().StringVar(&color, "color", "", "as #1a7f37 (default #0065ab)")
	return cmd
}

func newList() *cobra.Command {
	var t target
	var list command.List
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List labels",
		Example: `  registry label ls
  registry label ls --project team --format json`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				all, err := command.All[api.Label](r, t.path())
				if err != nil {
					return err
				}
				return list.Print(cmd, "NAME COLOR DESCRIPTION BY CREATED", command.Items(all, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func item(l api.Label) command.Item {
	return command.Item{
		Row: []string{l.Name, l.Color, command.OneLine(l.Description), l.By, command.Stamp(l.CreatedAt)}, Object: l,
	}
}

func newSet() *cobra.Command {
	var t target
	var name, description, color string
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change a label; what is not given stays",
		Example: `  registry label set reviewed --project team --name checked --color '#1a7f37'`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var change api.LabelChange
			for _, of := range []struct {
				flag string
				from *string
				to   **string
			}{
				{"name", &name, &change.Name},
				{"description", &description, &change.Description},
				{"color", &color, &change.Color},
			} {
				if cmd.Flags().Changed(of.flag) {
					*of.to = of.from
				}
			}
			if change == (api.LabelChange{}) {
				return command.Misused(cmd, errors.New("say what changes: --name, --description or --color"))
			}
			return t.Do(cmd, func(r command.API) error {
				return t.with(r, a[0], func(path string) error { return r.Patch(path, change) })
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&description, "description", "", "what it means")
	cmd.Flags().StringVar(&color, "color", "", "as #1a7f37")
	return cmd
}

func newRemove() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "rm NAME…", Short: "Remove labels, and take them off all artifacts",
		Long: `Remove labels, and take them off all artifacts. For a week "registry label restore" has them
back, on the artifacts that had them.`,
		Example: `  registry label rm reviewed --project team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error {
					return t.with(r, name, func(path string) error { return r.Delete(path) })
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newRestore() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "restore NAME…", Short: "Take the removal of labels back",
		Long: `Take the removal of labels back that were removed in the last week: they are on the
artifacts again that had them. Of several of a name it is the one that was removed last.`,
		Example: `  registry label restore reviewed --project team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error {
					return r.Post(t.path()+command.Path("restore"), api.LabelRestored{Name: name}, nil)
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

const globalFlag = "the label of all projects, where the project has one of the name too"

func newAdd() *cobra.Command {
	var t command.Registry
	var global bool
	cmd := &cobra.Command{
		Use: "add ARTIFACT LABEL…", Short: "Put labels on an artifact",
		Long: `Put labels on an artifact, REPOSITORY:TAG or REPOSITORY@DIGEST. They are on the artifact:
whatever else its tags come to name has its own. A label is one of the project of the
artifact or of all projects.`,
		Example: `  registry label add team/app:v1 stable reviewed
  registry label add team/app:v1 stable --server https://registry.example.com`,
		Args: command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a[1:], func(name string) error {
					return r.Post(command.Path("artifact-labels", a[0]), api.LabelName{Name: name, Global: global}, nil)
				})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&global, "global", false, globalFlag)
	return cmd
}

func newTake() *cobra.Command {
	var t command.Registry
	var global bool
	cmd := &cobra.Command{
		Use: "remove ARTIFACT LABEL…", Short: "Take labels off an artifact",
		Long: `Take labels off an artifact, REPOSITORY:TAG or REPOSITORY@DIGEST. The labels themselves
stay; "registry label rm" removes those.`,
		Example: `  registry label remove team/app:v1 stable`,
		Args:    command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a[1:], func(name string) error {
					query := []string{"name", name}
					if global {
						query = append(query, "global", "true")
					}
					return r.Delete(command.Path("artifact-labels", a[0]), query...)
				})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&global, "global", false, globalFlag)
	return cmd
}
