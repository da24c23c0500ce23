// Package jobcmd is the registry's commands on jobs: work apart from requests.
package jobcmd

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/jobs"
)

// New is the command "job" with those below it.
func New() *cobra.Command {
	return command.Group("job", "See, stop and repeat what the registry does apart from requests",
		newList(), newShow(), newStop(), newRetry(), newQueues(),
		onKinds("pause", "Have no job of these kinds begin; what runs goes on, what is added waits"),
		onKinds("resume", "Have the jobs of these kinds begin again"), newSchedules())
}

func newList() *cobra.Command {
	var t command.Registry
	var kind, project, state, format string
	var n int
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List jobs, the newest first",
		Example: `  registry job ls --state failed
  registry job ls --kind replication --project team --format json`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one job", n))
			}
			return t.Do(cmd, func(r command.API) error {
				page, err := command.First[work.Job](r, n, "/jobs", "kind", kind, "project", project, "state", state)
				if err != nil {
					return err
				}
				return printJobs(cmd.OutOrStdout(), format, page)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind, as audit-retention")
	cmd.Flags().StringVar(&project, "project", "", "only jobs about this project")
	cmd.Flags().StringVar(&state, "state", "", "only waiting, running, done, failed or stopped")
	cmd.Flags().IntVarP(&n, "limit", "n", 50, "how many at most")
	command.FormatFlag(cmd, &format)
	return cmd
}

func printJobs(w io.Writer, format string, page []work.Job) error {
	if format != "table" {
		var objects []any
		for _, j := range page {
			objects = append(objects, j)
		}
		return output.Objects(w, format, objects)
	}
	columns := output.NewColumns(w, 0)
	_, _ = columns.Write([]byte("JOB\tKIND\tPROJECT\tSTATE\tASKED\tRESULT\n")) // Flush reports a failure
	for _, j := range page {
		note := j.Note
		if j.Error != "" {
			note = j.Error
		}
		if _, err := fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.Kind, j.Project, state(j),
			command.Stamp(j.CreatedAt), command.OneLine(note)); err != nil {
			return err
		}
	}
	return columns.Flush()
}

func state(j work.Job) string {
	if j.Stopping {
		return "stopping"
	}
	return j.State
}

// verb is what a command does to one job.
type verb func(cmd *cobra.Command, r command.API, path string) error

// about is a command on one job.
func about(use, short, example string, do verb) *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if _, err := strconv.ParseInt(a[0], 10, 64); err != nil {
				return command.Misused(cmd, fmt.Errorf("%q is no job; \"registry job ls\" lists them", a[0]))
			}
			return t.Do(cmd, func(r command.API) error { return do(cmd, r, command.Path("jobs", a[0])) })
		},
	}
	t.Flags(cmd)
	return cmd
}

func newShow() *cobra.Command {
	var format string
	cmd := about("show JOB", "Show one job", `  registry job show 94873294873`,
		func(cmd *cobra.Command, r command.API, path string) error {
			var j work.Job
			if err := r.Get(path, &j); err != nil {
				return err
			}
			if format != "table" {
				return output.Objects(cmd.OutOrStdout(), format, []any{j})
			}
			return describe(cmd.OutOrStdout(), j)
		})
	command.FormatFlag(cmd, &format)
	return cmd
}

func describe(w io.Writer, j work.Job) error {
	columns := output.NewColumns(w, 0)
	for _, line := range []struct{ name, value string }{
		{"job", j.ID},
		{"kind", j.Kind},
		{"subject", j.Subject},
		{"project", j.Project},
		{"asked by", j.By},
		{"state", state(j)},
		{"attempts", strconv.Itoa(j.Attempts)},
		{"asked", command.Stamp(j.CreatedAt)},
		{"begins", map[bool]string{true: stamp(j.DueAt)}[j.State == string(jobs.Waiting)]},
		{"started", stamp(j.StartedAt)},
		{"ended", stamp(j.EndedAt)},
		{"result", j.Note},
		{"error", j.Error},
		{"arguments", j.Arguments},
	} {
		if line.value == "" {
			continue
		}
		if _, err := fmt.Fprintf(columns, "%s:\t%s\n", line.name, line.value); err != nil {
			return err
		}
	}
	return columns.Flush()
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return command.Stamp(*t)
}

func newStop() *cobra.Command {
	return about("stop JOB", "Stop a job that waits or runs", `  registry job stop 94873294873`,
		func(_ *cobra.Command, r command.API, path string) error { return r.Post(path+"/stop", nil, nil) })
}

func newRetry() *cobra.Command {
	return about("retry JOB", "Do the work of a job that has ended again, and print the new job",
		`  registry job retry 94873294873`,
		func(cmd *cobra.Command, r command.API, path string) error {
			var again work.Job
			if err := r.Post(path+"/retry", nil, &again); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), again.ID)
			return err
		})
}

func newSchedules() *cobra.Command {
	var t command.Registry
	var format string
	cmd := &cobra.Command{
		Use: "schedules", Short: "List when jobs begin by themselves, the next first",
		Example: `  registry job schedules`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.Schedules
				if err := r.Get("/schedules", &all); err != nil {
					return err
				}
				columns, objects := output.NewColumns(cmd.OutOrStdout(), 0), []any(nil)
				_, _ = columns.Write([]byte("KIND\tSUBJECT\tPROJECT\tWHEN\tZONE\tNEXT\n")) // Flush reports a failure
				for _, shown := range all.Items {
					objects = append(objects, shown)
					_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\n", shown.Kind, shown.Subject, shown.Project,
						shown.Cron, shown.Zone, command.Stamp(shown.Next))
				}
				if format != "table" {
					return output.Objects(cmd.OutOrStdout(), format, objects)
				}
				return columns.Flush()
			})
		},
	}
	t.Flags(cmd)
	command.FormatFlag(cmd, &format)
	return cmd
}
