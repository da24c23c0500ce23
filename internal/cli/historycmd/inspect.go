package historycmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress/steps"
	"cove/internal/cli/terminal"
)

// inspected is a build as buildx history inspect writes it.
type inspected struct {
	Name              string `json:",omitempty"`
	Ref               string
	Context           string        `json:",omitempty"`
	Dockerfile        string        `json:",omitempty"`
	Target            string        `json:",omitempty"`
	Platform          []string      `json:",omitempty"`
	NamedContexts     []keyValue    `json:",omitempty"`
	StartedAt         *time.Time    `json:",omitempty"`
	CompletedAt       *time.Time    `json:",omitempty"`
	Duration          time.Duration `json:",omitempty"`
	Status            string        `json:",omitempty"`
	Error             *failure      `json:",omitempty"`
	NumCompletedSteps int
	NumTotalSteps     int
	NumCachedSteps    int
	BuildArgs         []keyValue   `json:",omitempty"`
	Labels            []keyValue   `json:",omitempty"`
	Config            config       `json:",omitzero"`
	Images            []image      `json:",omitempty"`
	Tags              []string     `json:",omitempty"`
	Materials         []material   `json:",omitempty"`
	Attachments       []attachment `json:",omitempty"`
}

type (
	keyValue struct{ Name, Value string }
	failure  struct {
		Message string
		Name    string   `json:",omitempty"`
		Logs    []string `json:",omitempty"`
		Sources string   `json:",omitempty"`
	}
	config struct {
		Network string `json:",omitempty"`
		NoCache bool   `json:",omitempty"`
	}
	image    struct{ Digest, MediaType string }
	material struct {
		URI     string
		Digests []string
	}
	attachment struct {
		Digest   string
		Platform string `json:",omitempty"`
		Type     string
	}
)

func inspectedOf(r builds.Record, now time.Time) inspected {
	out := inspected{
		Name: r.Name, Ref: r.ID, Context: r.Context, Dockerfile: r.Dockerfile, Target: r.Target, Platform: r.Platforms,
		NamedContexts: keyValues(r.Contexts), StartedAt: &r.Started, Duration: r.Duration(now),
		Status:            string(r.Status),
		NumCompletedSteps: r.Done, NumTotalSteps: r.Steps, NumCachedSteps: r.Cached,
		BuildArgs: keyValues(r.BuildArgs), Labels: keyValues(r.Labels),
		Config: config{Network: r.Network, NoCache: r.NoCache}, Tags: r.Tags,
	}
	if !r.Ended.IsZero() {
		out.CompletedAt = &r.Ended
	}
	if f := r.Failure; f != nil {
		out.Error = &failure{Message: f.Text, Name: f.Location.Instruction, Logs: f.Tail, Sources: excerpt(r)}
	}
	for _, img := range r.Images {
		out.Images = append(out.Images, image{img.Digest.String(), img.MediaType})
	}
	for _, m := range r.Materials {
		out.Materials = append(out.Materials, material{m.URI, []string{m.Digest}})
	}
	for _, a := range r.Attachments {
		out.Attachments = append(out.Attachments, attachment{a.Digest.String(), a.Platform, a.Type})
	}
	return out
}

func keyValues(m map[string]string) (all []keyValue) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, keyValue{k, m[k]})
	}
	return all
}

// excerpt is the lines of the Dockerfile around a failure.
func excerpt(r builds.Record) string {
	var text strings.Builder
	if r.Failure != nil && r.Failure.Source != nil {
		steps.Excerpt(&text, r.Failure.Source, r.Failure.Location)
	}
	return text.String()
}

func inspect(a *app.App) *cobra.Command {
	format := "pretty"
	cmd := &cobra.Command{
		Use: "inspect [flags] [BUILD]", Short: "Show what a build was asked for, and what became of it",
		Example: "  inspect\n  inspect --format json ^1\n  inspect --format '{{.Status}} {{range .BuildArgs}}{{.Name}} {{end}}' w4sp2",
		Args:    app.RangeArgs(0, 1), ValidArgsFunction: names(a),
		RunE: func(_ *cobra.Command, args []string) error {
			_, r, err := find(a, args)
			if err != nil {
				return err
			}
			switch shown := inspectedOf(r, time.Now()); format {
			case "pretty":
				return pretty(a.Out, r, shown)
			case "json":
				text, err := json.MarshalIndent(shown, "", "  ")
				if err == nil {
					_, err = fmt.Fprintf(a.Out, "%s\n", text)
				}
				return err
			default:
				return output.Object(a.Out, format, shown)
			}
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "pretty, json, or a Go template")
	cmd.AddCommand(inspectAttachment(a))
	return cmd
}

// types are short names of the documents.
var types = map[string]string{
	"provenance": "https://slsa.dev/provenance/",
	"sbom":       "https://spdx.dev/Document",
}

func inspectAttachment(a *app.App) *cobra.Command {
	var kind, platform string
	cmd := &cobra.Command{
		Use: "attachment [flags] BUILD [DIGEST]", Short: "Print a document about what a build made",
		Example: "  attachment w4sp2 --type provenance\n  attachment ^0 sha256:217329d2af95…",
		Args:    app.RangeArgs(1, 2), ValidArgsFunction: names(a),
		RunE: func(_ *cobra.Command, args []string) error {
			store, r, err := find(a, args)
			if err != nil {
				return err
			}
			sum := ""
			if len(args) > 1 {
				sum = args[1]
			} else if kind == "" {
				kind = "provenance"
			}
			for _, doc := range r.Attachments {
				if !chosen(doc, kind, platform, sum) {
					continue
				}
				data, err := store.Attachment(r.ID, doc)
				if err == nil {
					var text bytes.Buffer
					if json.Indent(&text, data, "", "  ") != nil {
						text = *bytes.NewBuffer(data)
					}
					_, err = fmt.Fprintf(a.Out, "%s\n", bytes.TrimSpace(text.Bytes()))
				}
				return err
			}
			return errdefs.Errorf(errdefs.ErrNotFound, "build %s has no such document: it has %s", r.ID, listed(r))
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "provenance, sbom, or the type of a predicate")
	cmd.Flags().StringVar(&platform, "platform", "", "that of this platform")
	return cmd
}

// chosen says whether a document is the one that is asked for; "" is any.
func chosen(doc builds.Attachment, kind, platform, sum string) bool {
	if full, ok := types[kind]; ok {
		kind = full
	}
	return strings.HasPrefix(doc.Type, kind) && (platform == "" || platform == doc.Platform) &&
		strings.HasPrefix(doc.Digest.String(), sum)
}

// listed names the documents of a build.
func listed(r builds.Record) string {
	if len(r.Attachments) == 0 {
		return "none"
	}
	var all []string
	for _, doc := range r.Attachments {
		all = append(all, strings.TrimSpace(doc.Type+" "+doc.Platform))
	}
	return strings.Join(all, ", ")
}

// pretty writes a build for people, as buildx does.
func pretty(w io.Writer, r builds.Record, shown inspected) error {
	table := output.NewColumns(w, 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s:\t%s\n", name, terminal.Clean(value))
		}
	}
	line("Name", shown.Name)
	line("Ref", shown.Ref)
	line("Context", shown.Context)
	line("Dockerfile", shown.Dockerfile)
	line("Target", shown.Target)
	line("Platforms", strings.Join(shown.Platform, ", "))
	line("Status", statusLine(r))
	line("Started", r.Started.Local().Format(time.DateTime))
	line("Duration", duration(shown.Duration))
	line("Build Steps", stepsLine(shown))
	line("Network", shown.Config.Network)
	if shown.Config.NoCache {
		line("No Cache", "true")
	}
	for _, tag := range shown.Tags {
		line("Tag", output.Familiar(tag))
	}
	for _, img := range shown.Images {
		line("Image", img.Digest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, section := range sections(shown) {
		if err := section.write(w); err != nil {
			return err
		}
	}
	if shown.Error != nil {
		fmt.Fprintf(w, "\nError: %s\n", terminal.Clean(shown.Error.Message))
		for _, text := range shown.Error.Logs {
			fmt.Fprintf(w, "%s\n", terminal.Clean(text))
		}
		fmt.Fprint(w, shown.Error.Sources)
	}
	return nil
}

func statusLine(r builds.Record) string {
	if r.Status == builds.StatusCompleted {
		return ""
	}
	return string(r.Status)
}

func stepsLine(shown inspected) string {
	text := fmt.Sprintf("%d/%d", shown.NumCompletedSteps, shown.NumTotalSteps)
	if shown.NumTotalSteps > 0 {
		text += fmt.Sprintf(" (%d%% cached)", 100*shown.NumCachedSteps/shown.NumTotalSteps)
	}
	return text
}

// section is a table with a title of its columns.
type section struct {
	title string
	head  string
	rows  []string
}

func sections(shown inspected) []section {
	all := []section{
		{title: "Named Contexts", head: "NAME\tVALUE", rows: pairs(shown.NamedContexts)},
		{title: "Build Args", head: "BUILD ARG\tVALUE", rows: pairs(shown.BuildArgs)},
		{title: "Labels", head: "LABEL\tVALUE", rows: pairs(shown.Labels)},
		{title: "Materials", head: "URI\tDIGEST"},
		{title: "Attachments", head: "DIGEST\tPLATFORM\tTYPE"},
	}
	for _, m := range shown.Materials {
		all[3].rows = append(all[3].rows, m.URI+"\t"+strings.Join(m.Digests, ", "))
	}
	for _, doc := range shown.Attachments {
		all[4].rows = append(all[4].rows, doc.Digest+"\t"+doc.Platform+"\t"+doc.Type)
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.rows) == 0 })
}

func pairs(all []keyValue) (rows []string) {
	for _, kv := range all {
		rows = append(rows, terminal.Clean(kv.Name)+"\t"+terminal.Clean(kv.Value))
	}
	return rows
}

func (s section) write(w io.Writer) error {
	fmt.Fprintf(w, "\n%s:\n", s.title)
	table := output.NewColumns(w, 0)
	fmt.Fprintln(table, s.head)
	for _, r := range s.rows {
		fmt.Fprintln(table, r)
	}
	return table.Flush()
}
