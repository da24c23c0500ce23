package imagecmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

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
	fs.StringVar(&out.Format, "format", "", "table, json, or a Go template")
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
		return foundList(noTrunc).Write(a.Out, out, found)
	}
	return cmd
}

// longestDescription is docker's in a table.
const longestDescription = 45

func foundList(noTrunc bool) output.List[images.Found] {
	type row = images.Found
	ok := func(yes bool) string {
		if yes {
			return "[OK]"
		}
		return ""
	}
	return output.List[row]{Columns: []output.Column[row]{
		{Field: "Name", Header: "NAME", Value: func(f row) string { return f.Name }},
		{Field: "Description", Header: "DESCRIPTION", Value: func(f row) string {
			text := []rune(strings.Join(strings.Fields(f.Description), " "))
			if !noTrunc && len(text) > longestDescription {
				return string(text[:longestDescription-1]) + "…"
			}
			return string(text)
		}},
		{Field: "StarCount", Header: "STARS", Value: func(f row) string { return fmt.Sprint(f.Stars) }},
		{Field: "IsOfficial", Header: "OFFICIAL", Value: func(f row) string { return ok(f.Official) }},
		{Field: "IsAutomated", Header: "AUTOMATED", Value: func(f row) string { return ok(f.Automated) }, Extra: true},
	}}
}
