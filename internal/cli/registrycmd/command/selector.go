package command

import (
	"github.com/spf13/cobra"

	"cove/registry/selector"
)

// SelectorFlags adds the flags that say of which tags a rule speaks.
func SelectorFlags(cmd *cobra.Command, s *selector.Selector) {
	flags := cmd.Flags()
	flags.StringVar(&s.Tags, "tags", "**", "glob of the tags")
	flags.BoolVar(&s.ExceptTags, "except-tags", false, "all tags but these")
	flags.StringVar(&s.Repositories, "repositories", "**", "glob of the repositories, as named within the project")
	flags.BoolVar(&s.ExceptRepositories, "except-repositories", false, "all repositories but these")
}
