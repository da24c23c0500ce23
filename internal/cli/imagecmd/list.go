package imagecmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

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
	fs.BoolVarP(&all, "all", "a", false, "accepted for docker's sake: there are no intermediate images")
	fs.BoolVar(&digests, "digests", false, "show digests")
	fs.StringArrayVarP(&filters, "filter", "f", nil, "only some: reference=, dangling=, label=, before=, since=, until=")
	fs.StringVar(&out.Format, "format", "", "table, json, or a Go template")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids")
	fs.BoolVarP(&out.Quiet, "quiet", "q", false, "only ids")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		if len(args) == 1 {
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
		if out.Quiet {
			rows = slices.CompactFunc(rows, func(a, b row) bool { return a.ID == b.ID })
		}
		return imageList(time.Now(), noTrunc, digests).Write(a.Out, out, rows)
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

func imageList(now time.Time, noTrunc, digests bool) output.List[row] {
	id := func(r row) string { return output.ID(r.ID, noTrunc) }
	size := func(r row) string { return humanSize(r.Size) }
	return output.List[row]{
		ID: id,
		Columns: []output.Column[row]{
			{Field: "Repository", Header: "REPOSITORY", Value: func(r row) string { return r.Repository }},
			{Field: "Tag", Header: "TAG", Value: func(r row) string { return r.Tag }},
			{
				Field: "Digest", Header: "DIGEST", Extra: !digests,
				Value: func(r row) string { return cmp.Or(string(r.Digest), listing.None) },
			},
			{Field: "ID", Header: "IMAGE ID", Value: id},
			{Field: "CreatedSince", Header: "CREATED", Value: func(r row) string { return since(now, r.Created) }},
			{Field: "Size", Header: "SIZE", Value: size},
			{
				Field: "CreatedAt", Header: "CREATED AT",
				Value: func(r row) string { return r.Created.Local().Format("2006-01-02 15:04:05 -0700 MST") },
				Extra: true,
			},
			{Field: "VirtualSize", Header: "SIZE", Value: size, Extra: true},
		},
	}
}

func humanSize(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func since(now, then time.Time) string {
	if then.IsZero() {
		return "N/A"
	}
	return units.HumanDuration(now.Sub(then)) + " ago"
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
	fs.StringVar(&out.Format, "format", "", "table, json, or a Go template")
	fs.BoolVarP(&human, "human", "H", true, "sizes and dates for people")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole lines")
	fs.BoolVarP(&out.Quiet, "quiet", "q", false, "only ids")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		steps, err := eng.History(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return historyList(time.Now(), noTrunc, human).Write(a.Out, out, steps)
	}
	return cmd
}

func historyList(now time.Time, noTrunc, human bool) output.List[images.Step] {
	type entry = images.Step
	ident := func(h entry) string {
		if h.ID != "" {
			return output.ID(h.ID, noTrunc)
		}
		return "<missing>"
	}
	created := func(h entry) string { return since(now, h.Created) }
	size := func(h entry) string { return humanSize(h.Size) }
	if !human {
		created = func(h entry) string { return h.Created.Format(time.RFC3339) }
		size = func(h entry) string { return fmt.Sprint(h.Size) }
	}
	by := func(h entry) string {
		s := strings.ReplaceAll(h.CreatedBy, "\t", " ")
		if r := []rune(s); !noTrunc && len(r) > 45 {
			s = string(r[:44]) + "…"
		}
		return s
	}
	return output.List[entry]{
		ID: ident,
		Columns: []output.Column[entry]{
			{Field: "ID", Header: "IMAGE", Value: ident},
			{Field: "CreatedSince", Header: "CREATED", Value: created},
			{Field: "CreatedBy", Header: "CREATED BY", Value: by},
			{Field: "Size", Header: "SIZE", Value: size},
			{Field: "Comment", Header: "COMMENT", Value: func(h entry) string { return h.Comment }},
			{
				Field: "CreatedAt", Header: "CREATED AT",
				Value: func(h entry) string { return h.Created.Format(time.RFC3339) }, Extra: true,
			},
		},
	}
}
