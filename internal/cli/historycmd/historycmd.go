// Package historycmd holds the commands about builds that were: what a build did is
// kept by the engine, in words of the builder.
package historycmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress"
	"cove/internal/cli/progress/steps"
	"cove/internal/cli/terminal"
)

// Commands are those about the history of builds.
func Commands(a *app.App) []*cobra.Command {
	return []*cobra.Command{list(a), logs(a), inspect(a), remove(a)}
}

// Noun holds them, as docker's buildx history does.
func Noun(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "history COMMAND", Short: "Look at the builds that were"})
	noun.AddCommand(Commands(a)...)
	return noun
}

// row is one build in a list, with buildx's fields.
type row struct {
	ID, Name, Status, CreatedAt, Duration, Steps, Ref, Error, Target, Tags string
}

var rows = output.List[row]{ID: "ID", Columns: []output.Column{
	{Field: "ID", Header: "BUILD ID"},
	{Field: "Name", Header: "NAME"},
	{Field: "Status", Header: "STATUS"},
	{Field: "CreatedAt", Header: "CREATED AT"},
	{Field: "Duration", Header: "DURATION"},
	{Field: "Steps", Header: "STEPS", Extra: true},
	{Field: "Ref", Header: "REF", Extra: true},
	{Field: "Error", Header: "ERROR", Extra: true},
	{Field: "Target", Header: "TARGET", Extra: true},
	{Field: "Tags", Header: "TAGS", Extra: true},
}}

// shownName is how much of a name a list shows.
const shownName = 40

func rowOf(r builds.Record, now time.Time, whole bool) row {
	out := row{
		ID: r.ID, Ref: r.ID, Name: terminal.Clean(r.Name), Status: string(r.Status), Target: terminal.Clean(r.Target),
		CreatedAt: units.HumanDuration(now.Sub(r.Started)) + " ago", Duration: duration(r.Duration(now)),
		Steps: fmt.Sprintf("%d/%d", r.Done, r.Steps),
	}
	for i, tag := range r.Tags {
		if i > 0 {
			out.Tags += ","
		}
		out.Tags += output.Familiar(tag)
	}
	if r.Failure != nil {
		out.Error = terminal.Clean(r.Failure.Text)
	}
	if whole {
		out.CreatedAt = r.Started.Format(time.RFC3339)
	} else if terminal.Width(out.Name) > shownName {
		out.Name = terminal.Cut(out.Name, shownName-1) + "…"
	}
	return out
}

// duration is as buildx writes one: 1.4s, 2m 05s, 1h 02m 03s.
func duration(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case s < 60:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh %02dm %02ds", s/3600, s/60%60, s%60)
	}
}

func list(a *app.App) *cobra.Command {
	var out output.Options
	var whole bool
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List the builds that were, the latest first",
		Example: "  ls\n  ls --filter status=error\n  ls --format '{{.ID}} {{.Status}} {{.Name}}'", Args: app.NoArgs(),
		RunE: func(*cobra.Command, []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			chosen, err := parseFilters(filters)
			if err != nil {
				return err
			}
			all, err := builds.History(eng).List()
			if err != nil {
				return err
			}
			now := time.Now()
			all = slices.DeleteFunc(all, func(r builds.Record) bool { return !chosen.match(r, now) })
			return write(a.Out, out, all, listing{now: now, whole: whole})
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&filters, "filter", nil,
		"status=running|completed|error|canceled, name=TEXT, id=BEGINNING, since=DURATION, until=DURATION")
	out.FormatFlag(fs)
	fs.BoolVar(&whole, "no-trunc", false, "whole names and times")
	out.QuietFlag(fs, "ids")
	return cmd
}

// listing says how builds are listed.
type listing struct {
	now   time.Time
	whole bool
}

// write writes builds as rows; as JSON they have buildx's keys.
func write(w io.Writer, out output.Options, all []builds.Record, l listing) error {
	if out.Format == "json" {
		enc := json.NewEncoder(w)
		for _, r := range all {
			if err := enc.Encode(jsonOf(r)); err != nil {
				return err
			}
		}
		return nil
	}
	shown := []row{}
	for _, r := range all {
		shown = append(shown, rowOf(r, l.now, l.whole))
	}
	return rows.Write(w, out, shown)
}

// jsonRow is a build in buildx history ls --format json.
type jsonRow struct {
	CachedSteps    int        `json:"cached_steps"`
	CompletedAt    *time.Time `json:"completed_at,omitempty"`
	CompletedSteps int        `json:"completed_steps"`
	CreatedAt      time.Time  `json:"created_at"`
	Name           string     `json:"name"`
	Ref            string     `json:"ref"`
	Status         string     `json:"status"`
	TotalSteps     int        `json:"total_steps"`
}

func jsonOf(r builds.Record) jsonRow {
	j := jsonRow{
		CachedSteps: r.Cached, CompletedSteps: r.Done, CreatedAt: r.Started, Name: r.Name, Ref: r.ID,
		Status: string(r.Status), TotalSteps: r.Steps,
	}
	if !r.Ended.IsZero() {
		j.CompletedAt = &r.Ended
	}
	return j
}

func logs(a *app.App) *cobra.Command {
	mode := "plain"
	cmd := &cobra.Command{
		Use: "logs [flags] [BUILD]", Short: "Show what the steps of a build told",
		Example: "  logs\n  logs ^1\n  logs --progress rawjson w4sp2", Args: app.RangeArgs(0, 1),
		ValidArgsFunction: names(a),
		RunE: func(_ *cobra.Command, args []string) error {
			store, r, err := find(a, args)
			if err != nil {
				return err
			}
			switch mode {
			case "rawjson":
				raw := steps.NewRaw(a.Out)
				return store.Replay(r.ID, raw.Event)
			case "auto", "plain", "tty":
			default:
				return errdefs.Errorf(errdefs.ErrInvalid, "--progress %s: want plain or rawjson", mode)
			}
			shown := steps.New(progress.Screen{Out: a.Out}, true, time.Now)
			err = store.Replay(r.ID, shown.Event)
			shown.Close()
			return err
		},
	}
	cmd.Flags().StringVar(&mode, "progress", mode, "plain, or rawjson for buildx's lines of JSON")
	return cmd
}

func remove(a *app.App) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "rm [flags] BUILD...", Aliases: []string{"remove"}, Short: "Forget builds that were",
		Example: "  rm w4sp2\n  rm --all", Args: app.RangeArgs(0, -1), ValidArgsFunction: names(a),
		RunE: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errdefs.Errorf(errdefs.ErrInvalid, "rm: name builds, or all of them with --all")
			}
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			store := builds.History(eng)
			refs, err := removable(store.List, all, args)
			if err != nil {
				return err
			}
			var errs []error
			for _, ref := range refs {
				r, err := store.Find(ref)
				if err == nil {
					err = store.Remove(r.ID)
				}
				if err == nil {
					fmt.Fprintln(a.Out, r.ID)
				}
				errs = append(errs, err)
			}
			return app.Join(errs...)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "forget all that have ended")
	return cmd
}

// removable are the builds to forget: those named, or all that have ended.
func removable(all func() ([]builds.Record, error), every bool, named []string) ([]string, error) {
	if !every {
		return named, nil
	}
	known, err := all()
	var ids []string
	for _, r := range known {
		if r.Status != builds.StatusRunning {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

// find finds the build that is named, or the latest.
func find(a *app.App, args []string) (builds.Store, builds.Record, error) {
	eng, err := a.Engine()
	if err != nil {
		return builds.Store{}, builds.Record{}, err
	}
	ref := ""
	if len(args) > 0 {
		ref = args[0]
	}
	store := builds.History(eng)
	r, err := store.Find(ref)
	return store, r, err
}

// names completes ids of builds.
func names(a *app.App) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		eng, err := a.Engine()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, _ := builds.History(eng).List() // there is nowhere to say why not
		var ids []string
		for _, r := range all {
			ids = append(ids, r.ID+"\t"+cmp.Or(r.Name, string(r.Status)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
