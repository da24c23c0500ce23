package imagecmd

import (
	"github.com/spf13/cobra"

	"cove/engine/dockertypes/lists"
	"cove/engine/images"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// Search finds images in registries.
func Search(a *app.App) *cobra.Command {
	var o images.SearchOptions
	var out output.Options
	var noTrunc bool
	var filters []string
	cmd := &cobra.Command{
		Use:     "search [flags] [HOST/]TERM",
		Short:   "Find images in the registries that you are signed in to, or in one",
		Example: "  search redis\n  search harbor.example.com/redis --limit 5\n  search --filter is-official=true redis",
		Args:    app.ExactArgs(1),
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&filters, "filter", "f", nil, "only some: is-official=, is-automated=, stars=")
	out.FormatFlag(fs)
	fs.IntVar(&o.Limit, "limit", 0, "how many of a registry at most: 1 to 100 (default 25)")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole descriptions")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Filter, err = verbs.Terms(filters); err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		found, err := eng.Search(cmd.Context(), args[0], o)
		if err != nil {
			return err
		}
		rows := make([]lists.Found, 0, len(found))
		for _, f := range found {
			rows = append(rows, lists.OfFound(f, lists.Options{NoTrunc: noTrunc}))
		}
		return foundList.Write(a.Out, out, rows)
	}
	return cmd
}

var foundList = output.List[lists.Found]{Columns: []output.Column{
	{Field: "Name", Header: "NAME"},
	{Field: "Description", Header: "DESCRIPTION"},
	{Field: "StarCount", Header: "STARS"},
	{Field: "IsOfficial", Header: "OFFICIAL"},
	{Field: "IsAutomated", Header: "AUTOMATED", Extra: true},
}}
