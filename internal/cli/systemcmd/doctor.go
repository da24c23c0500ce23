package systemcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/app"
)

// Doctor looks for what containers left behind.
func Doctor(a *app.App) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Prove that no mount, group, interface, rule, address, lock or process is left behind",
		Long: "Prove that nothing of this root's containers is left behind: no mount, control group, interface, rule, " +
			"address, lock or process without a container.\nThe exit code is 1 when something is.",
		Example: "  doctor\n  doctor --repair",
		Args:    app.NoArgs(),
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "remove what is left behind, make bridges and rules again that others removed, and look again")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		d, err := eng.Diagnose(cmd.Context(), repair)
		if err != nil {
			return err
		}
		for _, line := range d.Repaired {
			fmt.Fprintln(a.Out, "removed: "+line)
		}
		for _, line := range d.Mended {
			fmt.Fprintln(a.Out, "made again: "+line)
		}
		for _, line := range d.Orphans {
			fmt.Fprintln(a.Out, "left behind: "+line)
		}
		var seen []string
		for _, c := range d.Seen {
			seen = append(seen, fmt.Sprintf("%d %s", c.N, c.Kind))
		}
		fmt.Fprintln(a.Out, "looked at: "+strings.Join(seen, ", "))
		if len(d.Orphans) > 0 {
			return &app.Exit{Code: app.CodeFailed}
		}
		return nil
	}
	return cmd
}
