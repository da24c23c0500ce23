package registrycmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/jobcmd"
	"cove/internal/cli/registrycmd/tagcmd"
)

// work are the commands on what a registry does by rule and apart from requests.
func work() []*cobra.Command {
	return []*cobra.Command{jobcmd.New(), tagcmd.New(), tagcmd.NewImmutable()}
}
