package containercmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

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
	fs.StringVar(&out.Format, "format", "", "table, json, or a Go template")
	fs.BoolVar(&once, "no-stream", false, "only once")
	fs.BoolVar(&noTrunc, "no-trunc", false, "whole ids")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		show := display{list: statsList(noTrunc), out: out, once: once}
		return show.run(cmd.Context(), a, func(ctx context.Context) ([]stats.Sample, error) {
			return eng.Stats(ctx, args, all)
		})
	}
	return cmd
}

// display is how samples are shown.
type display struct {
	list output.List[stats.Sample]
	out  output.Options
	once bool
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
		if err := d.list.Write(&b, d.out, stats.Between(before, now)); err != nil {
			return err
		}
		if _, err := a.Out.Write(b.Bytes()); err != nil || d.once {
			return err
		}
		before = now
	}
}

func statsList(noTrunc bool) output.List[stats.Sample] {
	type row = stats.Sample
	binary := func(n uint64) string { return units.BytesSize(float64(n)) }
	decimal := func(n uint64) string { return units.HumanSizeWithPrecision(float64(n), 3) }
	id := func(s row) string { return shortID(s.ID, noTrunc) }
	return output.List[row]{
		ID: id,
		Columns: []output.Column[row]{
			{Field: "ID", Header: "CONTAINER ID", Value: id},
			{Field: "Name", Header: "NAME", Value: func(s row) string { return s.Name }},
			{
				Field: "CPUPerc", Header: "CPU %",
				Value: func(s row) string { return fmt.Sprintf("%.2f%%", s.CPUPercent) },
			},
			{
				Field: "MemUsage", Header: "MEM USAGE / LIMIT",
				Value: func(s row) string { return binary(s.Memory) + " / " + binary(s.Limit) },
			},
			{
				Field: "MemPerc", Header: "MEM %",
				Value: func(s row) string { return fmt.Sprintf("%.2f%%", s.MemoryPercent) },
			},
			{
				Field: "NetIO", Header: "NET I/O",
				Value: func(s row) string { return decimal(s.Received) + " / " + decimal(s.Sent) },
			},
			{
				Field: "BlockIO", Header: "BLOCK I/O",
				Value: func(s row) string { return decimal(s.ReadBytes) + " / " + decimal(s.Written) },
			},
			{Field: "PIDs", Header: "PIDS", Value: func(s row) string { return fmt.Sprint(s.Pids) }},
			{Field: "Container", Header: "CONTAINER", Value: func(s row) string { return s.Name }, Extra: true},
		},
	}
}
