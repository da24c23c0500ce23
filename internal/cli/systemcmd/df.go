package systemcmd

import (
	"fmt"
	"io"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
)

func diskUsage(a *app.App) *cobra.Command {
	var out output.Options
	var verbose bool
	cmd := &cobra.Command{
		Use: "df [flags]", Short: "Show what images, containers, volumes and the build cache take on disk",
		Example: "  df\n  df -v\n  df --format '{{.Type}} {{.Reclaimable}}'", Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			usage, err := eng.DiskUsage(cmd.Context())
			if err != nil {
				return err
			}
			if verbose {
				return writeEach(a.Out, out, usage, time.Now())
			}
			return writeSums(a.Out, out, usage)
		},
	}
	out.FormatFlag(cmd.Flags())
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "each image, container, volume and step")
	return cmd
}

func writeSums(w io.Writer, out output.Options, usage engine.DiskUsage) error {
	var rows []lists.Usage
	for _, u := range usage.Sum() {
		rows = append(rows, lists.OfUsage(u))
	}
	return output.List[lists.Usage]{Columns: []output.Column{
		{Field: "Type", Header: "TYPE"},
		{Field: "TotalCount", Header: "TOTAL"},
		{Field: "Active", Header: "ACTIVE"},
		{Field: "Size", Header: "SIZE"},
		{Field: "Reclaimable", Header: "RECLAIMABLE"},
	}}.Write(w, out, rows)
}

// writeEach prints four tables, or all through one template.
func writeEach(w io.Writer, out output.Options, usage engine.DiskUsage, now time.Time) error {
	if out.Format != "" && out.Format != "table" {
		return output.Object(w, out.Format, lists.OfDiskUsage(usage, lists.Options{Now: now, NoTrunc: true}))
	}
	all := lists.OfDiskUsage(usage, lists.Options{Now: now})
	cached := int64(0)
	for _, e := range usage.Cache {
		cached += e.Size
	}
	for _, part := range []struct {
		title string
		write func() error
	}{
		{"Images space usage:", func() error { return imageColumns.Write(w, out, all.Images) }},
		{"\nContainers space usage:", func() error { return containerColumns.Write(w, out, all.Containers) }},
		{"\nLocal Volumes space usage:", func() error { return volumeColumns.Write(w, out, all.Volumes) }},
		{
			"\nBuild cache usage: " + units.HumanSize(float64(cached)),
			func() error { return cacheColumns.Write(w, out, all.BuildCache) },
		},
	} {
		fmt.Fprintf(w, "%s\n\n", part.title)
		if err := part.write(); err != nil {
			return err
		}
	}
	return nil
}

var imageColumns = output.List[lists.Image]{Columns: []output.Column{
	{Field: "Repository", Header: "REPOSITORY"},
	{Field: "Tag", Header: "TAG"},
	{Field: "ID", Header: "IMAGE ID"},
	{Field: "CreatedSince", Header: "CREATED"},
	{Field: "Size", Header: "SIZE"},
	{Field: "SharedSize", Header: "SHARED SIZE"},
	{Field: "UniqueSize", Header: "UNIQUE SIZE"},
	{Field: "Containers", Header: "CONTAINERS"},
}}

var containerColumns = output.List[lists.Container]{Columns: []output.Column{
	{Field: "ID", Header: "CONTAINER ID"},
	{Field: "Image", Header: "IMAGE"},
	{Field: "Command", Header: "COMMAND"},
	{Field: "LocalVolumes", Header: "LOCAL VOLUMES"},
	{Field: "Size", Header: "SIZE"},
	{Field: "RunningFor", Header: "CREATED"},
	{Field: "Status", Header: "STATUS"},
	{Field: "Names", Header: "NAMES"},
}}

var volumeColumns = output.List[lists.Volume]{Columns: []output.Column{
	{Field: "Name", Header: "VOLUME NAME"},
	{Field: "Links", Header: "LINKS"},
	{Field: "Size", Header: "SIZE"},
}}

var cacheColumns = output.List[lists.Cache]{Columns: []output.Column{
	{Field: "ID", Header: "CACHE ID"},
	{Field: "CacheType", Header: "CACHE TYPE"},
	{Field: "Size", Header: "SIZE"},
	{Field: "CreatedSince", Header: "CREATED"},
	{Field: "LastUsedSince", Header: "LAST USED"},
	{Field: "Shared", Header: "SHARED"},
	{Field: "Description", Header: "DESCRIPTION"},
}}
