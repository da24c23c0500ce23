package registrycmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/jobcmd"
	"cove/internal/cli/registrycmd/labelcmd"
	"cove/internal/cli/registrycmd/quotacmd"
	"cove/internal/cli/registrycmd/repositorycmd"
	"cove/internal/cli/registrycmd/retentioncmd"
	"cove/internal/cli/registrycmd/scancmd"
	"cove/internal/cli/registrycmd/signcmd"
	"cove/internal/cli/registrycmd/tagcmd"
	"cove/internal/cli/registrycmd/webhookcmd"
)

// work are the commands on what a registry does by rule and apart from requests.
func work() []*cobra.Command {
	return []*cobra.Command{
		jobcmd.New(), tagcmd.New(), tagcmd.NewImmutable(), quotacmd.New(), scancmd.New(),
		signcmd.New(), webhookcmd.New(), labelcmd.New(),
		retentioncmd.New(), repositorycmd.New(),
	}
}
