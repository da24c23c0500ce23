package replicationcmd

import (
	"fmt"
	"strconv"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/upstreams"
	"cove/registry/jobs"
)

func newRun() *cobra.Command {
	var t command.Registry
	var wait bool
	cmd := &cobra.Command{
		Use: "run RULE", Short: "Have a server run a rule now",
		Long: `Have a server run a rule now, and print the number of the run. With --wait the
command ends with the run, and fails if some of it did.`,
		Example: `  registry replication run releases --wait`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error { return begin(cmd, r, path(a[0])+"/runs", wait) })
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end")
	return cmd
}

func newRetry() *cobra.Command {
	var t command.Registry
	var wait bool
	cmd := &cobra.Command{
		Use: "retry RUN", Short: "Have a server try again what a run has not done",
		Example: `  registry replication retry 94873294873 --wait`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			of, err := runPath(cmd, a[0])
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return begin(cmd, r, of+"/retry", wait) })
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end")
	return cmd
}

// begin has a run begun, and, if that is asked for, waits for its end.
func begin(cmd *cobra.Command, api command.API, at string, wait bool) error {
	var r upstreams.Run
	if err := api.Post(at, nil, &r); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), r.ID); err != nil || !wait {
		return err
	}
	r, err := waited(api, r.ID)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.ErrOrStderr(), summary(r)); err != nil {
		return err
	}
	if r.State != string(jobs.Done) {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"run %s: %s: %s; \"registry replication tags %s --state failed\" lists them", r.ID, r.State, r.Error, r.ID)
	}
	return nil
}

func waited(api command.API, id string) (r upstreams.Run, err error) {
	const every = 300 * time.Millisecond
	for {
		r = upstreams.Run{}
		if err := api.Get(runs+command.Path(id), &r); err != nil || r.EndedAt != nil {
			return r, err
		}
		select {
		case <-time.After(every):
		case <-api.Context().Done():
			return r, api.Context().Err()
		}
	}
}

// summary is how far a run is, in a line.
func summary(r upstreams.Run) string {
	return fmt.Sprintf("%d copied, %d unchanged, %d deleted, %d left, %d failed, %d to do, %s sent",
		r.Copied, r.Unchanged, r.Deleted, r.Kept+r.Skipped, r.Failed, r.Waiting, units.HumanSize(float64(r.Bytes)))
}

func newRuns() *cobra.Command {
	var t command.Registry
	var list command.List
	var n int
	cmd := &cobra.Command{
		Use: "runs [RULE]", Short: "List runs, the newest first",
		Example: `  registry replication runs releases -n 5`,
		Args:    command.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one run", n))
			}
			rule := ""
			if len(a) > 0 {
				rule = a[0]
			}
			return t.Do(cmd, func(r command.API) error {
				page, err := command.First[upstreams.Run](r, n, runs, "rule", rule)
				if err != nil {
					return err
				}
				return list.Print(cmd, "RUN RULE CAUSE STATE ASKED RESULT", command.Items(page, runItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().IntVarP(&n, "limit", "n", 20, "how many at most")
	return cmd
}

func runItem(r upstreams.Run) command.Item {
	result := summary(r)
	if r.Error != "" {
		result = command.OneLine(r.Error)
	}
	return command.Item{Row: []string{r.ID, r.Rule, r.Cause, r.State, command.Stamp(r.CreatedAt), result}, Object: r}
}

func newTags() *cobra.Command {
	var t command.Registry
	var list command.List
	var state string
	var n int
	cmd := &cobra.Command{
		Use: "tags RUN", Aliases: []string{"log"}, Short: "List what a run copies, and what came of each tag",
		Example: `  registry replication tags 94873294873 --state failed`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			of, err := runPath(cmd, a[0])
			if err != nil {
				return err
			}
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one tag", n))
			}
			return t.Do(cmd, func(r command.API) error {
				page, err := command.First[upstreams.RunTag](r, n, of+"/tags", "state", state)
				if err != nil {
					return err
				}
				return list.Print(cmd, "TAG TARGET STATE SENT NOTE", command.Items(page, tagItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only waiting, failed, copied, unchanged, kept, skipped or deleted")
	cmd.Flags().IntVarP(&n, "limit", "n", 1000, "how many at most")
	return cmd
}

func tagItem(i upstreams.RunTag) command.Item {
	return command.Item{Row: []string{
		i.Repository + ":" + i.Tag, i.Target, i.State, units.HumanSize(float64(i.Bytes)), command.OneLine(i.Note),
	}, Object: i}
}

func newStop() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "stop RUN", Short: "Stop a run, within two seconds; the next one goes on where it was",
		Example: `  registry replication stop 94873294873`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			of, err := runPath(cmd, a[0])
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return r.Post(of+"/stop", nil, nil) })
		},
	}
	t.Flags(cmd)
	return cmd
}

// runs is where the runs are, and runPath where one is.
const runs = "/replication/runs"

func runPath(cmd *cobra.Command, text string) (string, error) {
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return "", command.Misused(cmd, fmt.Errorf("%q is no run; \"registry replication runs\" lists them", text))
	}
	return runs + command.Path(text), nil
}
