package containercmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"cove/engine/networks"
	"cove/internal/cli/app"
)

// Port prints published ports.
func Port(a *app.App) *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use: "port [flags] CONTAINER [PORT[/PROTOCOL]]", Short: "Print a container's published ports",
		Example: "  port web\n  port web 80/tcp\n  port --explain web", Args: app.RangeArgs(1, 2),
	}
	cmd.Flags().BoolVar(&explain, "explain", false,
		"say which rule leads there, who else has a say, who listens, and why a connection would not arrive")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if explain {
			return explainPorts(cmd.Context(), a, args)
		}
		return printPorts(cmd.Context(), a, args)
	}
	return cmd
}

func printPorts(ctx context.Context, a *app.App, args []string) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	all, err := eng.Ports(ctx, args[0], args[1:]...)
	if err != nil {
		return err
	}
	for _, p := range all {
		if len(args) == 1 {
			fmt.Fprintf(a.Out, "%s -> ", p)
		}
		fmt.Fprintln(a.Out, p.Host())
	}
	return nil
}

// explainPorts fails when a connection to one of the ports would not arrive.
func explainPorts(ctx context.Context, a *app.App, args []string) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	end := ""
	if len(args) > 1 {
		end = args[1]
	}
	all, err := eng.ExplainPorts(ctx, args[0], end)
	if err != nil {
		return err
	}
	broken := false
	for _, e := range all {
		writeExplained(a.Out, e)
		faults := faultsOf(e)
		for _, fault := range faults {
			fmt.Fprintln(a.Out, "  problem:  "+fault)
		}
		broken = broken || len(faults) > 0
	}
	if broken {
		return &app.Exit{Code: app.CodeFailed}
	}
	return nil
}

func writeExplained(w io.Writer, e networks.Explained) {
	fmt.Fprintf(w, "%s -> %s\n", e.Port, e.To)
	if e.Rule != nil {
		fmt.Fprintf(w, "  rule:     table %s, map %s, asked by its chains prerouting and output\n", e.Rule.Table,
			e.Rule.Map)
		fmt.Fprintf(w, "  forward:  table %s, chain forward: what was led on is accepted to %s\n", e.Rule.Table,
			e.Bridge)
	}
	switch {
	case e.Carried && e.Rule != nil:
		fmt.Fprintln(w, "  carried:  what is sent to ::1, by the container's monitor")
	case e.Carried:
		fmt.Fprintln(w, "  carried:  by the container's monitor, so that the container sees it come from its host")
	}
	for _, o := range e.Others {
		what := "its rules may drop, too"
		switch {
		case o.Passes:
			what = "lets the bridge through, after chain COVE-USER, which is yours"
		case o.Drops:
			what = "drops what its own rules do not accept"
		}
		fmt.Fprintf(w, "  others:   table %s, chain %s: %s\n", o.Table, o.Chain, what)
	}
	if e.Holder != "" {
		fmt.Fprintf(w, "  held by:  %s\n", e.Holder)
	}
	for _, addr := range e.Listening {
		fmt.Fprintf(w, "  inside:   something listens on %s\n", addr)
	}
}

// faultsOf are the reasons for which a connection would not arrive.
func faultsOf(e networks.Explained) (all []string) {
	if e.Missing {
		all = append(all, "the rule is gone: somebody removed it; doctor --repair makes it again")
	}
	if e.Holder == "" && e.Port.Protocol() != "sctp" {
		all = append(all, "nobody holds the port on the host: the container's monitor is gone, or cannot be seen")
	}
	for _, o := range e.Others {
		if o.Drops && !o.Passes {
			all = append(all, fmt.Sprintf(
				"table %s, chain %s drops by default: unless a rule there accepts what goes to %s, it ends there",
				o.Table, o.Chain, e.Bridge))
		}
	}
	switch {
	case e.Port.Protocol() == "sctp" || e.Reached():
	case len(e.Listening) > 0:
		all = append(all, fmt.Sprintf(
			"inside, port %d is listened on elsewhere than on %s: have the program listen on all addresses",
			e.To.Port(), e.To.Addr()))
	default:
		all = append(all, fmt.Sprintf("inside, nothing listens on port %d/%s", e.To.Port(), e.Port.Protocol()))
	}
	return all
}
