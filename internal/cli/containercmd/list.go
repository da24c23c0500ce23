package containercmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/engine/listing"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/remedy"
	"cove/internal/cli/verbs"
)

// List is ps; use is its name in the grammar at hand ("ps", "ls").
func List(a *app.App, use string) *cobra.Command {
	var all, latest, noTrunc, sizes bool
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
		"only some: ancestor=, before=, exited=, expose=, health=, id=, is-task=, label=, name=, network=, publish=, "+
			"since=, status=, volume=")
	out.FormatFlag(fs)
	fs.IntVarP(&last, "last", "n", 0, "the newest N, running or not")
	fs.BoolVarP(&latest, "latest", "l", false, "the newest, running or not")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids and commands")
	out.QuietFlag(fs, "ids")
	fs.BoolVarP(&sizes, "size", "s", false, "what each wrote, and its size with its image; .Size in a format asks for it too")
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
		for _, c := range rows {
			if c.Broken != nil {
				a.Warnf("%s", remedy.Text(c.Broken))
			}
		}
		out.Prefer(a.Docker().PsFormat)
		o := lists.Options{Now: time.Now(), NoTrunc: noTrunc}
		shown, err := containerRows(cmd.Context(), eng, rows, sizes || output.Uses(out.Format, "Size"), o)
		if err != nil {
			return err
		}
		return containerList(sizes).Write(a.Out, out, shown)
	}
	return cmd
}

// containerRows makes the rows, with sizes if they are asked for. A container that was
// removed meanwhile has none.
func containerRows(
	ctx context.Context, eng *engine.Engine, all []listing.Container, sizes bool, o lists.Options,
) ([]lists.Container, error) {
	var rows []lists.Container
	for _, c := range all {
		if !sizes {
			rows = append(rows, lists.OfContainer(c, o))
			continue
		}
		size, err := eng.ContainerSize(ctx, c)
		if c.Broken != nil && err != nil {
			err = nil // which was told
		}
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, lists.OfSizedContainer(c, size, o))
	}
	return rows, nil
}

func containerList(sizes bool) output.List[lists.Container] {
	return output.List[lists.Container]{ID: "ID", Columns: []output.Column{
		{Field: "ID", Header: "CONTAINER ID"},
		{Field: "Image", Header: "IMAGE"},
		{Field: "Command", Header: "COMMAND"},
		{Field: "RunningFor", Header: "CREATED"},
		{Field: "Status", Header: "STATUS"},
		{Field: "Ports", Header: "PORTS"},
		{Field: "Names", Header: "NAMES"},
		{Field: "Size", Header: "SIZE", Extra: !sizes},
		{Field: "CreatedAt", Header: "CREATED AT", Extra: true},
		{Field: "State", Header: "STATE", Extra: true},
		{Field: "Labels", Header: "LABELS", Extra: true},
		{Field: "Mounts", Header: "MOUNTS", Extra: true},
		{Field: "Networks", Header: "NETWORKS", Extra: true},
		{Field: "LocalVolumes", Header: "LOCAL VOLUMES", Extra: true},
		{Field: "Platform", Header: "PLATFORM", Extra: true},
	}}
}
