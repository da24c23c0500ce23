package containercmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/listing"
	"cove/engine/stats"
	"cove/errdefs"
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
		return showStats(cmd.Context(), a, statsList(noTrunc), out, once, func(ctx context.Context) ([]stats.Sample, error) {
			return sample(ctx, eng, args, all)
		})
	}
	return cmd
}

// showStats prints what take measures: how much of the processors is used takes
// two looks to tell.
func showStats(ctx context.Context, a *app.App, list output.List[stats.Sample], out output.Options, once bool,
	take func(context.Context) ([]stats.Sample, error),
) error {
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
		if screen && !once {
			b.WriteString("\x1b[H\x1b[2J") // the whole screen, from its top
		}
		if err := list.Write(&b, out, since(now, before)); err != nil {
			return err
		}
		if _, err := a.Out.Write(b.Bytes()); err != nil || once {
			return err
		}
		before = now
	}
}

func since(now, before []stats.Sample) []stats.Sample {
	was := make(map[string]stats.Sample, len(before))
	for _, s := range before {
		was[s.ID] = s
	}
	rows := make([]stats.Sample, 0, len(now))
	for _, s := range now {
		if old, ok := was[s.ID]; ok {
			s = s.Since(old)
		}
		rows = append(rows, s)
	}
	return rows
}

// sample measures the containers named, or all that run. One that does not run,
// when it is asked for, uses nothing.
func sample(ctx context.Context, eng *engine.Engine, refs []string, stopped bool) ([]stats.Sample, error) {
	named := len(refs) > 0
	if !named {
		all, err := eng.Containers(ctx, listing.Filter{Running: !stopped})
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			refs = append(refs, c.ID)
		}
	}
	var out []stats.Sample
	for _, ref := range refs {
		c, err := eng.Container(ctx, ref)
		if err == nil {
			var s stats.Sample
			if s, err = stats.Take(ctx, c); err == nil {
				out = append(out, s)
				continue
			}
			if (named || stopped) && errors.Is(err, errdefs.ErrConflict) {
				out = append(out, stats.Sample{ID: c.ID(), Name: c.Name()})
				continue
			}
		}
		if named || !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound) {
			return nil, err // else it ended meanwhile
		}
	}
	return out, nil
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
			{Field: "CPUPerc", Header: "CPU %", Value: func(s row) string { return fmt.Sprintf("%.2f%%", s.CPUPercent) }},
			{Field: "MemUsage", Header: "MEM USAGE / LIMIT", Value: func(s row) string { return binary(s.Memory) + " / " + binary(s.Limit) }},
			{Field: "MemPerc", Header: "MEM %", Value: func(s row) string { return fmt.Sprintf("%.2f%%", s.MemoryPercent) }},
			{Field: "NetIO", Header: "NET I/O", Value: func(s row) string { return decimal(s.Received) + " / " + decimal(s.Sent) }},
			{Field: "BlockIO", Header: "BLOCK I/O", Value: func(s row) string { return decimal(s.ReadBytes) + " / " + decimal(s.Written) }},
			{Field: "PIDs", Header: "PIDS", Value: func(s row) string { return fmt.Sprint(s.Pids) }},
			{Field: "Container", Header: "CONTAINER", Value: func(s row) string { return s.Name }, Extra: true},
		},
	}
}
