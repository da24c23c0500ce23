package buildcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"cove/builder"
	"cove/builder/dockerfile"
	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/progress"
)

// call is what is done with a Dockerfile instead of a build.
type call struct {
	method string // "build", "check", "outline" or "targets"
	json   bool
}

// parseCall reads --call METHOD[,format=text|json] and --check.
func (f *buildFlags) parseCall() (call, error) {
	method, options, _ := strings.Cut(f.call, ",")
	c := call{method: method}
	switch options {
	case "", "format=text":
	case "format=json":
		c.json = true
	default:
		return c, errdefs.Errorf(errdefs.ErrUnsupported, "--call %s: want METHOD or METHOD,format=json", f.call)
	}
	if c.method == "lint" {
		c.method = "check"
	}
	if f.check {
		c.method = "check"
	}
	switch c.method {
	case "build", "check", "outline", "targets":
		return c, nil
	}
	return c, errdefs.Errorf(errdefs.ErrInvalid, "--call %s: want build, check, lint, outline or targets", f.call)
}

// answer does what the call asks and prints it.
func (f *buildFlags) answer(ctx context.Context, a *app.App, eng builds.Engine, c call, o builds.Options) error {
	if c.method == "check" {
		return f.onlyCheck(ctx, a, eng, c, o)
	}
	d, err := builds.Describe(ctx, eng, o)
	if err != nil {
		return f.failed(a, err, false)
	}
	switch {
	case c.json && c.method == "targets":
		return writeJSON(a.Out, map[string]any{"targets": d.Stages})
	case c.json:
		return writeJSON(a.Out, d.Outline)
	case c.method == "targets":
		return writeTargets(a.Out, d.Stages)
	}
	return writeOutline(a.Out, d.Outline)
}

// onlyCheck prints the warnings of a Dockerfile.
func (f *buildFlags) onlyCheck(ctx context.Context, a *app.App, eng builds.Engine, c call, o builds.Options) error {
	checked, err := builds.Check(ctx, eng, o)
	if err != nil {
		return f.failed(a, err, false)
	}
	if c.json {
		err = writeJSON(a.Out, map[string]any{"warnings": lintWarnings(checked.Warnings)})
	} else {
		progress.Check(a.Out, checked.Dockerfile, checked.Warnings)
	}
	if err == nil && len(checked.Warnings) > 0 {
		return &app.Exit{Code: app.CodeFailed}
	}
	return err
}

// lintWarning is a warning in the shape of buildx.
type lintWarning struct {
	Rule     string       `json:"ruleName"`
	URL      string       `json:"url,omitempty"`
	Detail   string       `json:"detail"`
	Location lintLocation `json:"location"`
}

type lintLocation struct {
	Ranges []lintRange `json:"ranges,omitempty"`
}

type lintRange struct {
	Start lintLine `json:"start"`
	End   lintLine `json:"end"`
}

type lintLine struct {
	Line int `json:"line"`
}

func lintWarnings(all []builder.Warning) []lintWarning {
	out := make([]lintWarning, 0, len(all))
	for _, w := range all {
		l := lintWarning{Rule: w.Rule, URL: w.URL, Detail: w.Text}
		if at := w.Location; at.Line > 0 {
			l.Location.Ranges = []lintRange{{Start: lintLine{at.Line}, End: lintLine{max(at.Line, at.End)}}}
		}
		out = append(out, l)
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeTargets(w io.Writer, stages []dockerfile.Stage) error {
	tw := tabwriter.NewWriter(w, 0, 0, 4, ' ', 0)
	fmt.Fprintln(tw, "TARGET\tDESCRIPTION")
	for _, st := range stages {
		name := st.Name
		if st.Default {
			name = strings.TrimSpace(name + " (default)")
		}
		if name != "" { // a stage without a name is built by its number, which nobody does
			fmt.Fprintf(tw, "%s\t%s\n", name, st.Description)
		}
	}
	return tw.Flush()
}

// writeOutline prints a table of each kind of thing that there is.
func writeOutline(w io.Writer, o dockerfile.Outline) error {
	tw := tabwriter.NewWriter(w, 0, 0, 4, ' ', 0)
	if o.Name != "" {
		fmt.Fprintf(tw, "TARGET:\t%s\n", o.Name)
	}
	if o.Description != "" {
		fmt.Fprintf(tw, "DESCRIPTION:\t%s\n", o.Description)
	}
	if len(o.Args) > 0 {
		fmt.Fprintln(tw, "\nBUILD ARG\tVALUE\tDESCRIPTION")
		for _, arg := range o.Args {
			fmt.Fprintf(tw, "%s\t%s\t%s\n", arg.Name, arg.Value, arg.Description)
		}
	}
	for _, table := range []struct {
		title string
		uses  []dockerfile.OutlineUse
	}{{"SECRET\tREQUIRED", o.Secrets}, {"SSH\tREQUIRED", o.SSH}, {"CACHE MOUNT", o.Cache}} {
		if len(table.uses) > 0 {
			fmt.Fprintln(tw, "\n"+table.title)
		}
		for _, u := range table.uses {
			required := ""
			if u.Required {
				required = "true"
			}
			fmt.Fprintf(tw, "%s\t%s\n", u.Name, required)
		}
	}
	return tw.Flush()
}
