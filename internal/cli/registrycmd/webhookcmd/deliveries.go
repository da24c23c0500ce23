package webhookcmd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/webhooks"
	"cove/registry/api/work"
	"cove/registry/jobs"
)

func newTest() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "test PROJECT WEBHOOK", Short: "Send an event that did not happen, and print the delivery",
		Example: `  registry webhook test team ci
  registry webhook attempts team ci`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error {
				var sent webhooks.Delivery
				if err := r.Post(hook+"/test", nil, &sent); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), sent.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newDeliveries() *cobra.Command {
	var t target
	var n int
	var state string
	var list command.List
	cmd := &cobra.Command{
		Use: "deliveries PROJECT WEBHOOK", Short: "List what was, and is to be, delivered, the newest first",
		Example: `  registry webhook deliveries team ci --state failed`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one line", n))
			}
			if state != "" && !slices.Contains(jobs.States(), jobs.State(state)) {
				return command.Misused(cmd, fmt.Errorf("--state %q is none of %v", state, jobs.States()))
			}
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error {
				page, err := command.First[work.Job](r, n, hook+"/deliveries", "state", state)
				if err != nil {
					return err
				}
				return list.Print(cmd, "DELIVERY STATE ATTEMPTS CREATED RESULT", command.Items(page, deliveryItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().IntVarP(&n, "limit", "n", 100, "how many lines at most")
	cmd.Flags().StringVar(&state, "state", "", "only waiting, running, done, failed or stopped")
	return cmd
}

func deliveryItem(j work.Job) command.Item {
	return command.Item{Row: []string{
		j.ID, j.State, strconv.Itoa(j.Attempts), command.Stamp(j.CreatedAt),
		command.OneLine(cmp.Or(j.Error, j.Note)),
	}, Object: j}
}

func newAttempts() *cobra.Command {
	var t target
	var list command.List
	cmd := &cobra.Command{
		Use: "attempts PROJECT WEBHOOK", Short: "List the newest attempts to deliver, the newest first",
		Example: `  registry webhook attempts team ci`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error {
				var all webhooks.Attempts
				if err := r.Get(hook+"/attempts", &all); err != nil {
					return err
				}
				return list.Print(cmd, "DELIVERY EVENT TIME TOOK STATUS ERROR", command.Items(all.Items, attemptItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func attemptItem(a webhooks.Attempt) command.Item {
	return command.Item{Row: []string{
		a.Delivery, a.Event, command.Stamp(a.At), a.Took, strconv.Itoa(a.Status), command.OneLine(a.Error),
	}, Object: a}
}

func newStop() *cobra.Command {
	return newOfDelivery("stop", "Stop a delivery that waits or is tried",
		func(_ *cobra.Command, r command.API, delivery string) error {
			return r.Post(delivery+"/stop", nil, nil)
		})
}

func newRetry() *cobra.Command {
	return newOfDelivery("retry", "Deliver again what has ended, and print the new delivery",
		func(cmd *cobra.Command, r command.API, delivery string) error {
			var again webhooks.Delivery
			if err := r.Post(delivery+"/retry", nil, &again); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), again.ID)
			return err
		})
}

// newOfDelivery is a command that does something with one delivery, which is at a path.
func newOfDelivery(verb, short string, do func(*cobra.Command, command.API, string) error) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: verb + " PROJECT WEBHOOK DELIVERY", Short: short,
		Example: "  registry webhook " + verb + " team ci 123273128877563084",
		Args:    command.Args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if _, err := strconv.ParseInt(a[2], 10, 64); err != nil {
				return command.Misused(cmd,
					fmt.Errorf("%q is no delivery; \"registry webhook deliveries\" lists them", a[2]))
			}
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error {
				return do(cmd, r, hook+command.Path("deliveries", a[2]))
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
