// Package cachecmd holds the commands about the build cache. It is apart from
// buildcmd because it links no builder.
package cachecmd

import (
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// DiskUsage lists what the cache holds.
func DiskUsage(a *app.App) *cobra.Command {
	var out output.Options
	cmd := &cobra.Command{
		Use: "du [flags]", Short: "List what build steps left in the cache, and what else keeps it",
		Example: "  du\n  du --format '{{.Size}} {{.Step}}'", Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			all, err := eng.BuildCache(cmd.Context())
			if err != nil {
				return err
			}
			return write(a.Out, out, all, lists.Options{Now: time.Now()})
		},
	}
	out.FormatFlag(cmd.Flags())
	out.QuietFlag(cmd.Flags(), "ids")
	return cmd
}

// write shows entries as docker's du does, with what they are of.
func write(w io.Writer, out output.Options, all []engine.CacheEntry, o lists.Options) error {
	rows := make([]lists.Cache, 0, len(all))
	for _, e := range all {
		rows = append(rows, lists.OfCache(e, o))
	}
	return output.List[lists.Cache]{ID: "ID", Columns: []output.Column{
		{Field: "ID", Header: "ID"},
		{Field: "Reclaimable", Header: "RECLAIMABLE"},
		{Field: "Size", Header: "SIZE"},
		{Field: "LastAccessed", Header: "LAST ACCESSED"},
		{Field: "KeptBy", Header: "KEPT BY"},
		{Field: "Step", Header: "STEP"},
		{Field: "CreatedAt", Header: "CREATED AT", Extra: true},
		{Field: "CreatedSince", Header: "CREATED", Extra: true},
		{Field: "LastUsedAt", Header: "LAST USED AT", Extra: true},
		{Field: "LastUsedSince", Header: "LAST USED", Extra: true},
		{Field: "CacheType", Header: "CACHE TYPE", Extra: true},
		{Field: "Description", Header: "DESCRIPTION", Extra: true},
		{Field: "InUse", Header: "IN USE", Extra: true},
		{Field: "Shared", Header: "SHARED", Extra: true},
	}}.Write(w, out, rows)
}

// Prune forgets steps.
func Prune(a *app.App) *cobra.Command {
	var all bool
	var filters []string
	var keep, most string
	cmd := &cobra.Command{
		Short:   "Forget what build steps made, and remove what nothing else keeps",
		Example: "  prune\n  prune --filter until=72h\n  prune --keep-storage 10GB",
	}
	fs := cmd.Flags()
	fs.BoolVarP(&all, "all", "a", false, "accepted for docker's sake: nothing is kept back")
	fs.StringArrayVar(&filters, "filter", nil, "until=DURATION: only what was not used for that long")
	fs.StringVar(&keep, "keep-storage", "", "keep this much of what was used last: 10GB")
	fs.StringVar(&most, "max-used-space", "", "the same")
	return verbs.Prune(a, cmd, func() (o engine.PruneOptions, err error) {
		o.BuildCache = true
		if o.CacheUnused, err = until(filters); err != nil {
			return o, err
		}
		for flag, text := range map[string]string{"--keep-storage": keep, "--max-used-space": most} {
			if text == "" {
				continue
			}
			n, err := units.FromHumanSize(text)
			if err != nil || n <= 0 {
				return o, errdefs.Errorf(errdefs.ErrInvalid, "%s %s: want a size, as 512MB or 10GB", flag, text)
			}
			if o.CacheBytes != 0 && o.CacheBytes != n {
				return o, errdefs.Errorf(errdefs.ErrInvalid,
					"--keep-storage and --max-used-space are one thing: give one")
			}
			o.CacheBytes = n
		}
		return o, nil
	})
}

// until reads the filters.
func until(filters []string) (age time.Duration, err error) {
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		if key != "until" && key != "unused-for" {
			return 0, errdefs.Errorf(errdefs.ErrUnsupported, "--filter %s: there is only until=DURATION", f)
		}
		if age, err = time.ParseDuration(value); err != nil || age <= 0 {
			return 0, errdefs.Errorf(errdefs.ErrInvalid, "--filter %s: want a duration, as 72h", f)
		}
	}
	return age, nil
}

// Noun holds the commands about builds, by docker's noun.
func Noun(a *app.App, builder ...*cobra.Command) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "builder COMMAND", Short: "Build images, and look after the build cache"})
	noun.AddCommand(append(builder, DiskUsage(a), Prune(a))...)
	return noun
}
