package command

import (
	"strings"

	"github.com/spf13/cobra"

	"cove/registry/robots"
)

// Owned says of which project something is that projects have, and the registry as a
// whole: a robot, a rule.
type Owned struct {
	Registry
	// What it is, as flags say; Noun is its part of a path; Prefix is what its full names
	// begin with.
	What, Noun, Prefix string

	project string
}

// Flags adds those of the registry, and --project.
func (o *Owned) Flags(cmd *cobra.Command) {
	o.Registry.Flags(cmd)
	cmd.Flags().StringVar(&o.project, "project", "", "whose "+o.What+" it is; the registry's if it is left out")
}

// Path is that of all of them, or, unless name is "", of the one of that name, which may be
// its full one.
func (o *Owned) Path(name string) string {
	project := o.project
	if strings.HasPrefix(name, o.Prefix) {
		project, name = robots.ParseName(name)
	}
	parts := []string{o.Noun}
	if project != "" {
		parts = []string{"projects", project, o.Noun}
	}
	if name != "" {
		parts = append(parts, name)
	}
	return Path(parts...)
}
