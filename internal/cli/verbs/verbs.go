// Package verbs holds the commands that several nouns have, made from what
// differs between them: inspect, prune, and what is done to each of many names.
package verbs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/listing"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
)

// Inspect prints what find finds of each argument, as JSON. cmd brings the use,
// the help and the flags of its own.
func Inspect(
	a *app.App, cmd *cobra.Command, find func(ctx context.Context, eng *engine.Engine, ref string) (any, error),
) *cobra.Command {
	var format string
	cmd.Args = app.MinArgs(1)
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		return output.Each(a.Out, format, args, func(ref string) (any, error) { return find(cmd.Context(), eng, ref) })
	}
	return cmd
}

// ErrSilent is for Each: nothing was done, and all there is to say was said.
var ErrSilent = errors.New("nothing was done")

// Each calls do for every name and goes on after one that failed. It prints the
// names that worked, as docker does.
func Each(
	ctx context.Context, a *app.App, refs []string, do func(eng *engine.Engine, ctx context.Context, ref string) error,
) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	var failed []error
	for _, ref := range refs {
		if ref == "" { // which is no name, also of what may be missing
			failed = append(failed, errdefs.Errorf(errdefs.ErrInvalid, "invalid name or ID: value is empty"))
			continue
		}
		switch err := do(eng, ctx, ref); {
		case err == nil:
			fmt.Fprintln(a.Out, ref)
		case !errors.Is(err, ErrSilent):
			failed = append(failed, err)
		}
	}
	return app.Join(failed...)
}

// Missing is what a removal with --force makes of err: what is not there is
// told, and is no failure.
func Missing(a *app.App, force bool, err error) error {
	if force && errors.Is(err, errdefs.ErrNotFound) {
		a.Tell(err)
		return ErrSilent
	}
	return err
}

// Remove removes each thing that is named. cmd brings the help.
func Remove(
	a *app.App, cmd *cobra.Command, remove func(ctx context.Context, eng *engine.Engine, ref string) error,
) *cobra.Command {
	var force bool
	cmd.Aliases = []string{"remove"}
	cmd.Args = app.MinArgs(1)
	cmd.Flags().BoolVarP(&force, "force", "f", false, "one that is not there is no failure")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return Each(cmd.Context(), a, args, func(eng *engine.Engine, ctx context.Context, ref string) error {
			return Missing(a, force, remove(ctx, eng, ref))
		})
	}
	return cmd
}

// Prune removes what options say when the command runs. cmd brings the help and
// the flags that options read.
func Prune(a *app.App, cmd *cobra.Command, options func() (engine.PruneOptions, error)) *cobra.Command {
	var force bool
	var filters []string
	cmd.Use = "prune [flags]"
	cmd.Args = app.NoArgs()
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for docker's sake: prune never asks")
	filtered := cmd.Flags().Lookup("filter") == nil // else it has filters of its own, as caches
	if filtered {
		cmd.Flags().StringArrayVar(&filters, "filter", nil,
			"only some: until=TIME (older), label=KEY[=VALUE], label!=KEY[=VALUE]")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := options()
		if err != nil {
			return err
		}
		if o.Filter == nil {
			if o.Filter, err = Terms(filters); err != nil {
				return err
			}
		}
		if filtered {
			addOwn(o.Filter, a.Docker().PruneFilters)
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		p, err := eng.Prune(cmd.Context(), o)
		if !errors.Is(err, errdefs.ErrInvalid) { // of that nothing was begun
			reportPruned(a, p)
		}
		return err
	}
	return cmd
}

// addOwn adds the filters of a person's configuration, KEY=VALUE each, but for labels
// of which the opposite was asked.
func addOwn(terms map[string][]string, own []string) {
	opposite := map[string]string{"label": "label!", "label!": "label"}
	for _, f := range own {
		key, value, ok := strings.Cut(f, "=")
		if ok && !slices.Contains(terms[opposite[key]], value) {
			terms[key] = append(terms[key], value)
		}
	}
}

// reportPruned prints what a prune removed, in docker's words.
func reportPruned(a *app.App, p engine.Pruned) {
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(a.Out, "%s\n%s\n\n", title, strings.Join(lines, "\n"))
		}
	}
	section("Deleted Containers:", p.Containers)
	section("Deleted Volumes:", p.Volumes)
	section("Deleted Networks:", p.Networks)
	var images []string
	for _, n := range p.Images.Untagged {
		images = append(images, "untagged: "+n)
	}
	for _, id := range p.Images.Deleted {
		images = append(images, "deleted: "+id)
	}
	section("Deleted Images:", images)
	for _, line := range p.Repaired {
		fmt.Fprintln(a.Err, "left behind by a dead container, removed: "+line)
	}
	fmt.Fprintf(a.Out, "Total reclaimed space: %s\n", units.HumanSizeWithPrecision(float64(p.Freed), 3))
}

// Terms parses --filter values. As with docker, keys are in any case, and what is blank
// around both sides of "=" does not count.
func Terms(filters []string) (map[string][]string, error) {
	terms := map[string][]string{}
	for _, f := range filters {
		if f == "" {
			continue // docker's are none then, too
		}
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--filter %s: want KEY=VALUE", f)
		}
		key = strings.ToLower(strings.TrimSpace(key))
		terms[key] = append(terms[key], strings.TrimSpace(value))
	}
	return terms, nil
}

// Moment reads the value of a flag that is a time: a duration before now, a time of
// RFC 3339 (the shorter forms are local), or seconds since 1970. Without one it is zero.
func Moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := listing.Moment(s, now)
	if err != nil {
		return t, errdefs.Errorf(errdefs.ErrInvalid, "%s %s: %w", flag, s, err)
	}
	return t, nil
}

// Labels reads --label values.
func Labels(values []string) (map[string]string, error) {
	if len(values) == 0 {
		return nil, nil
	}
	labels := make(map[string]string, len(values))
	for _, l := range values {
		key, value, _ := strings.Cut(l, "=")
		if key == "" {
			err := errdefs.Errorf(errdefs.ErrInvalid, "--label %q: want KEY=VALUE", l)
			return nil, &app.Exit{Code: app.CodeUsage, Err: err}
		}
		labels[key] = value
	}
	return labels, nil
}

// Pairs reads the values of a flag that are KEY=VALUE.
func Pairs(flag string, texts []string) (map[string]string, error) {
	var all map[string]string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s %s: want KEY=VALUE", flag, text)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[key] = value
	}
	return all, nil
}
