package containercmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"cove/engine/dockertypes/lists"
	"cove/engine/stats"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
)

// Stats shows what containers use, again and again.
func Stats(a *app.App) *cobra.Command {
	var out output.Options
	var once, noTrunc, all bool
	cmd := &cobra.Command{
		Use:     "stats [flags] [CONTAINER...]",
		Short:   "Show what containers use: processors, memory, network, disks",
		Example: "  stats\n  stats --no-stream db\n  stats --no-stream --format '{{.Name}} {{.MemUsage}}'",
		Args:    app.MinArgs(0),
	}
	fs := cmd.Flags()
	fs.BoolVarP(&all, "all", "a", false, "also containers that do not run")
	out.FormatFlag(fs)
	fs.BoolVar(&once, "no-stream", false, "only once")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		out.Prefer(a.Docker().StatsFormat)
		show := display{out: out, noTrunc: noTrunc, once: once}
		return show.run(cmd.Context(), a, func(ctx context.Context) ([]stats.Sample, error) {
			return eng.Stats(ctx, args, all)
		})
	}
	return cmd
}

// display is how samples are shown.
type display struct {
	out           output.Options
	noTrunc, once bool
}

// run prints what take measures. It measures twice before it prints: the use of
// processors is that between two samples.
func (d display) run(ctx context.Context, a *app.App, take func(context.Context) ([]stats.Sample, error)) error {
	_, screen := app.Terminal(a.Out)
	before, err := take(ctx)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil // the usual way to leave
		case <-time.After(time.Second):
		}
		now, err := take(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			continue
		case err != nil:
			return err
		}
		var b bytes.Buffer
		if screen && !d.once {
			b.WriteString("\x1b[H\x1b[2J") // the whole screen, from its top
		}
		if err := d.write(&b, stats.Between(before, now)); err != nil {
			return err
		}
		if _, err := a.Out.Write(b.Bytes()); err != nil || d.once {
			return err
		}
		before = now
	}
}

func (d display) write(w io.Writer, samples []stats.Sample) error {
	rows := make([]lists.Stats, 0, len(samples))
	for _, s := range samples {
		rows = append(rows, lists.OfStats(s, lists.Options{NoTrunc: d.noTrunc}))
	}
	return output.List[lists.Stats]{ID: "ID", Columns: []output.Column{
		{Field: "ID", Header: "CONTAINER ID"},
		{Field: "Name", Header: "NAME"},
		{Field: "CPUPerc", Header: "CPU %"},
		{Field: "MemUsage", Header: "MEM USAGE / LIMIT"},
		{Field: "MemPerc", Header: "MEM %"},
		{Field: "NetIO", Header: "NET I/O"},
		{Field: "BlockIO", Header: "BLOCK I/O"},
		{Field: "PIDs", Header: "PIDS"},
		{Field: "Container", Header: "CONTAINER", Extra: true},
	}}.Write(w, d.out, rows)
}
