package buildcmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/app"
	"cove/internal/cli/kanikocmd"
)

// Kaniko is Build with the flags of kaniko's executor.
func Kaniko(a *app.App) *cobra.Command { return kanikocmd.New(a, Build) }
