// Package replicationcmd is the registry's commands on replication: rules by which
// images are copied from and to other registries, and their runs.
package replicationcmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/output"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/upstreams"
	"cove/registry/replication"
	"cove/registry/replication/choice"
)

// New is the command "replication" with those below it.
func New() *cobra.Command {
	cmd := command.Group("replication", "Copy images from and to other registries, by rule",
		newCreate("create"), newCreate("set"), newList(), newShow(), newEnable(true), newEnable(false), newRemove(),
		newRun(), newRuns(), newTags(), newStop(), newRetry())
	cmd.Long = `A rule copies what it chooses between this registry and an endpoint ("registry
endpoint"): when it is asked to, by a schedule, or whenever something is pushed or
deleted here. What refers to an image, as signatures and SBOMs, goes with it. The
runs are done by a server, which these commands need not be.`
	return cmd
}

// choices are the flags of a rule.
type choices struct {
	rule           upstreams.NewRule
	push, pull     string
	rate           string
	flattenAll     bool
	disabled, keep bool
}

func (c *choices) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.push, "push", "", "endpoint that is copied to")
	flags.StringVar(&c.pull, "pull", "", "endpoint that is copied from")
	flags.StringVar(
		&c.rule.Repositories,
		"repositories",
		"**",
		"glob of the repositories, by their full names at the source",
	)
	flags.BoolVar(&c.rule.ExceptRepositories, "except-repositories", false, "all repositories but these")
	flags.StringVar(&c.rule.Tags, "tags", "**", "glob of the tags")
	flags.BoolVar(&c.rule.ExceptTags, "except-tags", false, "all tags but these")
	flags.StringArrayVar(
		&c.rule.Labels,
		"label",
		nil,
		"NAME or NAME=VALUE, globs: of an annotation, a label of the image or, with --push, one that people put on it",
	)
	flags.StringArrayVar(&c.rule.MediaTypes, "media-type", nil,
		"glob of the types of artifact, config or manifest; may be given several times, for one of them")
	flags.StringVar(&c.rule.Namespace, "namespace", "", "what comes before the names at the target, as mirror/berlin")
	flags.IntVar(&c.rule.Flatten, "flatten", 0, "how many components are taken off the names before")
	flags.BoolVar(&c.flattenAll, "flatten-all", false, "take off all but the last")
	flags.BoolVar(&c.keep, "keep-existing", false, "leave tags that name something else at the target")
	flags.BoolVar(
		&c.rule.Delete,
		"delete",
		false,
		"delete at the target what the rule has put there and the source has no more",
	)
	flags.BoolVar(&c.rule.OnEvent, "on-event", false, "run when something is pushed or deleted here")
	flags.StringVar(&c.rule.Schedule, "schedule", "", `run by a line of cron, as "0 3 * * *"`)
	flags.StringVar(&c.rule.Zone, "zone", "", "time zone of the schedule, as Europe/Berlin (default UTC)")
	flags.StringVar(&c.rate, "rate", "", "bytes a second, as 10MB (default without a limit)")
	flags.BoolVar(&c.disabled, "disabled", false, "run only when asked to")
}

func (c *choices) read(cmd *cobra.Command, name string) error {
	r := &c.rule
	switch {
	case (c.push == "") == (c.pull == ""):
		return command.Misused(cmd, fmt.Errorf("give --push ENDPOINT or --pull ENDPOINT"))
	case c.push != "":
		r.Direction, r.Endpoint = string(replication.Push), c.push
	default:
		r.Direction, r.Endpoint = string(replication.Pull), c.pull
	}
	enabled, override := !c.disabled, !c.keep
	r.Name, r.Enabled, r.Override = name, &enabled, &override
	if c.flattenAll {
		if cmd.Flags().Changed("flatten") {
			return command.Misused(cmd, fmt.Errorf("give --flatten or --flatten-all"))
		}
		r.Flatten = choice.FlattenAll
	}
	if c.rate != "" {
		var err error
		if r.Rate, err = units.FromHumanSize(c.rate); err != nil {
			return command.Misused(cmd, fmt.Errorf("--rate is %q; use bytes a second, as 10MB", c.rate))
		}
	}
	return nil
}

// newCreate is create, or set, which gives all of a rule anew.
func newCreate(use string) *cobra.Command {
	var t command.Registry
	var c choices
	cmd := &cobra.Command{
		Use: use + " RULE", Short: "Add a rule",
		Long: `Add a rule. It chooses by globs: "*" is any text within a part of a name, "**" any
parts, "?" one character, "{a,b}" either. A registry without a list of its
repositories, as docker.io, needs names, or a namespace at the beginning.`,
		Example: `  registry replication create releases --push berlin --repositories "team/**" --tags "v*" --on-event
  registry replication create base --pull hub --repositories "library/{alpine,debian}" --namespace base \
    --flatten 1 --schedule "0 3 * * *"
  registry replication create charts --pull old --media-type "application/vnd.cncf.helm.*" --rate 10MB`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := c.read(cmd, a[0]); err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				if use == "set" {
					return r.Put(path(a[0]), c.rule)
				}
				return r.Post(rules, c.rule, nil)
			})
		},
	}
	if use == "set" {
		cmd.Short, cmd.Long = "Change a rule", "Change a rule: all flags are given anew. A run that goes on ends as it began."
		cmd.Example = `  registry replication set releases --push berlin --repositories "team/**" --tags "v*" --rate 10MB`
	}
	t.Flags(cmd)
	c.flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the rules",
		Example: `  registry replication ls`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all upstreams.Rules
				if err := r.Get(rules, &all); err != nil {
					return err
				}
				return list.Print(cmd, "RULE DIRECTION ENDPOINT REPOSITORIES TAGS WHEN", command.Items(all.Items, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// rules is where the rules are, and path where one is.
const rules = "/replication/rules"

func path(rule string) string { return rules + command.Path(rule) }

func item(r upstreams.Rule) command.Item {
	return command.Item{Row: []string{
		r.Name, r.Direction, r.Endpoint, except(r.ExceptRepositories, r.Repositories),
		except(r.ExceptTags, r.Tags), when(r),
	}, Object: r}
}

func except(not bool, glob string) string {
	if not {
		return "except " + glob
	}
	return glob
}

// when is what begins runs of a rule.
func when(r upstreams.Rule) string {
	var all []string
	if r.OnEvent {
		all = append(all, "on event")
	}
	if r.Schedule != "" {
		all = append(all, strings.TrimSpace(r.Schedule+" "+r.Zone))
	}
	switch {
	case !r.Enabled:
		return "disabled"
	case len(all) == 0:
		return "when asked to"
	}
	return strings.Join(all, ", ")
}

func newShow() *cobra.Command {
	var t command.Registry
	var format string
	cmd := &cobra.Command{
		Use: "show RULE", Short: "Show a rule",
		Example: `  registry replication show releases --format json`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var rule upstreams.Rule
				if err := r.Get(path(a[0]), &rule); err != nil {
					return err
				}
				if format != "table" {
					return output.Objects(cmd.OutOrStdout(), format, []any{rule})
				}
				return describe(cmd.OutOrStdout(), rule)
			})
		},
	}
	t.Flags(cmd)
	command.FormatFlag(cmd, &format)
	return cmd
}

func describe(w io.Writer, r upstreams.Rule) error {
	names := "as they are"
	if r.Namespace != "" || r.Flatten != 0 {
		names = "a/b/c becomes " + r.TargetOf("a/b/c")
	}
	rate := "without a limit"
	if r.Rate > 0 {
		rate = units.HumanSize(float64(r.Rate)) + " a second"
	}
	next := ""
	if r.Next != nil {
		next = command.Stamp(*r.Next)
	}
	columns := output.NewColumns(w, 0)
	for _, line := range []struct{ name, value string }{
		{"rule", r.Name},
		{"direction", r.Direction + " " + r.Endpoint},
		{"repositories", except(r.ExceptRepositories, r.Repositories)},
		{"tags", except(r.ExceptTags, r.Tags)},
		{"labels", strings.Join(r.Labels, ", ")},
		{"media types", strings.Join(r.MediaTypes, ", ")},
		{"names", names},
		{"existing tags", map[bool]string{true: "are moved", false: "stay"}[r.Override]},
		{"deletions", map[bool]string{true: "are copied", false: "are not copied"}[r.Delete]},
		{"rate", rate},
		{"runs", when(r)},
		{"next", next},
		{"added", command.Stamp(r.At) + " by " + r.By},
	} {
		if line.value != "" {
			_, _ = fmt.Fprintf(columns, "%s:\t%s\n", line.name, line.value) // Flush reports a failure
		}
	}
	return columns.Flush()
}

func newEnable(on bool) *cobra.Command {
	use, short := "disable", "Have rules run only when asked to"
	if on {
		use, short = "enable", "Have rules run by their schedules and on events again"
	}
	return onRules(use, short, func(r command.API, name string) error {
		return r.Patch(path(name), upstreams.RuleChange{Enabled: on})
	})
}

func newRemove() *cobra.Command {
	cmd := onRules("rm", "Remove rules; what they have copied stays",
		func(r command.API, name string) error { return r.Delete(path(name)) })
	cmd.Aliases = []string{"remove"}
	return cmd
}

// onRules is a command on each of several rules.
func onRules(use, short string, do func(r command.API, name string) error) *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: use + " RULE…", Short: short,
		Example: "  registry replication " + use + " releases",
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return do(r, name) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
