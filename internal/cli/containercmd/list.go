package containercmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/engine/listing"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// List is ps; use is its name in the grammar at hand ("ps", "ls").
func List(a *app.App, use string) *cobra.Command {
	var all, latest, noTrunc bool
	var last int
	var filters []string
	var out output.Options
	cmd := &cobra.Command{
		Use:   use + " [flags]",
		Short: "List containers",
		Example: fmt.Sprintf(`  %[1]s -a
  %[1]s -aq --filter status=exited
  %[1]s --format 'table {{.Names}}\t{{.Status}}'`, use),
		Args: app.NoArgs(),
	}
	fs := cmd.Flags()
	fs.BoolVarP(&all, "all", "a", false, "also those that do not run")
	fs.StringArrayVarP(&filters, "filter", "f", nil,
		"only some: name=, id=, status=, label=, ancestor=, exited=, volume=, network=")
	fs.StringVar(&out.Format, "format", "", "table, json, or a Go template")
	fs.IntVarP(&last, "last", "n", 0, "the newest N, running or not")
	fs.BoolVarP(&latest, "latest", "l", false, "the newest, running or not")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids and commands")
	fs.BoolVarP(&out.Quiet, "quiet", "q", false, "only ids")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		if latest {
			last = 1
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		rows, err := eng.Containers(cmd.Context(), listing.Filter{Running: !all, Last: last, Terms: terms})
		if err != nil {
			return err
		}
		return containerList(time.Now(), noTrunc).Write(a.Out, out, rows)
	}
	return cmd
}

func containerList(now time.Time, noTrunc bool) output.List[listing.Container] {
	type row = listing.Container
	id := func(r row) string { return shortID(r.ID, noTrunc) }
	return output.List[row]{
		ID: id,
		Columns: []output.Column[row]{
			{Field: "ID", Header: "CONTAINER ID", Value: id},
			{Field: "Image", Header: "IMAGE", Value: func(r row) string { return r.Image }},
			{Field: "Command", Header: "COMMAND", Value: func(r row) string { return command(r.Command, noTrunc) }},
			{Field: "RunningFor", Header: "CREATED", Value: func(r row) string { return listing.Ago(now, r.Created) }},
			{Field: "Status", Header: "STATUS", Value: func(r row) string { return r.Status(now) }},
			{Field: "Ports", Header: "PORTS", Value: ports},
			{Field: "Names", Header: "NAMES", Value: func(r row) string { return r.Name }},
			{
				Field: "CreatedAt", Header: "CREATED AT",
				Value: func(r row) string { return r.Created.Local().Format("2006-01-02 15:04:05 -0700 MST") },
				Extra: true,
			},
			{Field: "State", Header: "STATE", Value: func(r row) string { return string(r.State.Status) }, Extra: true},
			{Field: "Labels", Header: "LABELS", Value: labels, Extra: true},
			{
				Field: "Mounts", Header: "MOUNTS", Extra: true,
				Value: func(r row) string { return strings.Join(r.MountNames(), ",") },
			},
			{Field: "Networks", Header: "NETWORKS", Extra: true, Value: func(r row) string {
				return strings.Join(r.NetworkNames(), ",")
			}},
			{
				Field: "LocalVolumes", Header: "LOCAL VOLUMES",
				Value: func(r row) string { return strconv.Itoa(len(r.VolumeNames())) }, Extra: true,
			},
		},
	}
}

func shortID(id string, whole bool) string {
	if whole || len(id) < 12 {
		return id
	}
	return id[:12]
}

// command is quoted, and cut at 20 characters as docker's is.
func command(s string, whole bool) string {
	if r := []rune(s); !whole && len(r) > 20 {
		s = string(r[:19]) + "…"
	}
	return `"` + s + `"`
}

func labels(r listing.Container) string {
	var out []string
	for k, v := range r.Labels {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
