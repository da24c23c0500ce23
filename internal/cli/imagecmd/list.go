package imagecmd

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cove/engine/dockertypes/lists"
	"cove/engine/images"
	"cove/engine/listing"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

type row = listing.Image

// List is images; use is its name in the grammar at hand ("images", "ls").
func List(a *app.App, use string) *cobra.Command {
	var digests, noTrunc, all bool
	var filters []string
	var out output.Options
	cmd := &cobra.Command{
		Use:   use + " [flags] [NAME[:TAG]|PATTERN]",
		Short: "List local images",
		Example: fmt.Sprintf(`  %[1]s
  %[1]s redis
  %[1]s 'team/*:v1'
  %[1]s -q --filter dangling=true
  %[1]s --format '{{.Repository}}:{{.Tag}} {{.Size}}'`, use),
		Args: app.RangeArgs(0, 1),
	}
	fs := cmd.Flags()
	app.Register(fs, app.Only{
		Name: "tree", Values: []string{"false"}, Switch: true,
		Why: "docker's is an experiment; image inspect --platform shows the images of an index one by one",
	})
	fs.BoolVarP(&all, "all", "a", false, "accepted for docker's sake: there are no intermediate images")
	fs.BoolVar(&digests, "digests", false, "show digests")
	fs.StringArrayVarP(&filters, "filter", "f", nil, "only some: reference=, dangling=, label=, before=, since=, until=")
	out.FormatFlag(fs)
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids")
	out.QuietFlag(fs, "ids")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		if len(args) == 1 && args[0] != "" {
			terms["reference"] = append(terms["reference"], args[0])
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		rows, err := eng.ListImages(cmd.Context(), terms)
		if err != nil {
			return err
		}
		warnBroken(a, rows)
		if err := eng.Unreadable(cmd.Context()); err != nil {
			a.Warnf("%v", err)
		}
		if out.Quiet {
			rows = slices.CompactFunc(rows, func(a, b row) bool { return a.ID == b.ID })
		}
		out.Prefer(a.Docker().ImagesFormat)
		return writeImages(a.Out, out, rows, digests, lists.Options{Now: time.Now(), NoTrunc: noTrunc})
	}
	return cmd
}

// warnBroken says why a row is empty, and what helps.
func warnBroken(a *app.App, rows []row) {
	for _, r := range rows {
		if r.Broken != nil {
			a.Warnf("image %s:%s cannot be read: %v; pull or build it again, or remove it",
				r.Repository, r.Tag, r.Broken)
		}
	}
}

func writeImages(w io.Writer, out output.Options, rows []row, digests bool, o lists.Options) error {
	shown := make([]lists.Image, 0, len(rows))
	for _, r := range rows {
		shown = append(shown, lists.OfImage(r, o))
	}
	return output.List[lists.Image]{ID: "ID", Columns: []output.Column{
		{Field: "Repository", Header: "REPOSITORY"},
		{Field: "Tag", Header: "TAG"},
		{Field: "Digest", Header: "DIGEST", Extra: !digests},
		{Field: "ID", Header: "IMAGE ID"},
		{Field: "CreatedSince", Header: "CREATED"},
		{Field: "Size", Header: "SIZE"},
		{Field: "CreatedAt", Header: "CREATED AT", Extra: true},
		{Field: "VirtualSize", Header: "SIZE", Extra: true},
		{Field: "SharedSize", Header: "SHARED SIZE", Extra: true},
		{Field: "UniqueSize", Header: "UNIQUE SIZE", Extra: true},
		{Field: "Containers", Header: "CONTAINERS", Extra: true},
	}}.Write(w, out, shown)
}

// History prints how an image was made.
func History(a *app.App) *cobra.Command {
	var noTrunc, human bool
	var out output.Options
	cmd := &cobra.Command{
		Use:     "history [flags] IMAGE",
		Short:   "Show how an image was made, line by line",
		Example: "  history redis\n  history --no-trunc --format '{{.CreatedBy}}' redis",
		Args:    app.ExactArgs(1),
	}
	fs := cmd.Flags()
	out.FormatFlag(fs)
	fs.BoolVarP(&human, "human", "H", true, "sizes and dates for people")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole lines")
	out.QuietFlag(fs, "ids")
	of := platformFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		imgs, err := eng.ForPlatform(*of)
		if err != nil {
			return err
		}
		steps, err := imgs.History(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return writeHistory(a.Out, out, steps, human, lists.Options{Now: time.Now(), NoTrunc: noTrunc})
	}
	return cmd
}

func writeHistory(w io.Writer, out output.Options, steps []images.Step, human bool, o lists.Options) error {
	shown := make([]lists.History, 0, len(steps))
	for _, s := range steps {
		shown = append(shown, lists.OfHistory(s, !human, o))
	}
	return output.List[lists.History]{ID: "ID", Columns: []output.Column{
		{Field: "ID", Header: "IMAGE"},
		{Field: "CreatedSince", Header: "CREATED"},
		{Field: "CreatedBy", Header: "CREATED BY"},
		{Field: "Size", Header: "SIZE"},
		{Field: "Comment", Header: "COMMENT"},
		{Field: "CreatedAt", Header: "CREATED AT", Extra: true},
	}}.Write(w, out, shown)
}
