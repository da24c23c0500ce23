// Package retentioncmd is the registry's commands on what projects keep when old
// artifacts are removed.
package retentioncmd

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/api/work"
	"cove/registry/retention"
	"cove/registry/selector"
)

// New is the command "retention" with those below it.
func New() *cobra.Command {
	return command.Group("retention", "Remove artifacts that no rule of their project keeps",
		newList(), newAdd(), newRemove(), newSchedule(), newPreview(), newRun())
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "ls PROJECT", Aliases: []string{"list"}, Short: "List the rules of a project, and when they are run",
		Example: `  registry retention ls team`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var p work.Retention
				err := r.Get(command.Path("projects", a[0], "retention"), &p)
				if err != nil {
					return err
				}
				if err := list.Print(cmd, "RULE KEEPS BY SINCE", command.Items(p.Rules, kept)); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), schedule(p.Schedule))
				return err
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// kept is a rule as the table and JSON show it.
func kept(k work.KeptRule) command.Item {
	rule := retention.Rule{
		Selector: selector.Selector(k.Selector),
		Labelled: retention.Labelled{Labels: k.Labels, ExceptLabels: k.ExceptLabels},
		Untagged: k.Untagged, Template: retention.Template(k.Template), N: k.N,
	}
	return command.Item{Row: []string{k.ID, rule.String(), k.By, command.Stamp(k.At)}, Object: k}
}

// schedule says when the rules are run.
func schedule(s work.RetentionSchedule) string {
	if s.Cron == "" {
		return `the rules have no schedule: "registry retention schedule" gives them one`
	}
	return fmt.Sprintf("schedule %s (%s), next %s", s.Cron, cmp.Or(s.Zone, "UTC"), command.When(s.Next))
}

// keep reads a template with its number, as "latestPushedK=10".
func keep(text string) (t retention.Template, n int, err error) {
	name, number, counted := strings.Cut(text, "=")
	if counted {
		if n, err = strconv.Atoi(number); err != nil {
			return "", 0, fmt.Errorf("--keep %q: %q is no number", text, number)
		}
	}
	return retention.Template(name), n, nil
}

func newAdd() *cobra.Command {
	var t command.Registry
	var rule retention.Rule
	var template string
	cmd := &cobra.Command{
		Use: "add PROJECT --keep TEMPLATE[=N]", Short: "Keep artifacts of a project, and print the rule",
		Long: `Keep artifacts of a project. What no rule keeps, of the repositories that any rule
speaks of, is removed when the rules are run. All tags of an artifact that is kept
stay; so do immutable tags. Signatures and other referrers stay and go with what they
refer to, and so does what only an index lists.

Templates: always; nothing; latestPushedK, latestPulledN and latestActiveK (pushed or
pulled), of artifacts in each repository; nDaysSinceLastPush, nDaysSinceLastPull.`,
		Example: `  registry retention add team --keep latestPushedK=10 --tags 'build-*'
  registry retention add team --keep nDaysSinceLastPull=90 --untagged
  registry retention add team --keep always --tags 'v*'
  registry retention add team --keep always --label stable`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			if rule.Template, rule.N, err = keep(template); err == nil {
				err = rule.Check()
			}
			if err != nil {
				return command.Misused(cmd, err)
			}
			asked := work.RetentionRule{
				Selector: work.Selector(rule.Selector), Labels: rule.Labels, ExceptLabels: rule.ExceptLabels,
				Untagged: rule.Untagged,
				Template: string(rule.Template), N: rule.N,
			}
			return t.Do(cmd, func(r command.API) error {
				var k work.KeptRule
				err := r.Post(command.Path("projects", a[0], "retention"), asked, &k)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), k.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	command.SelectorFlags(cmd, &rule.Selector)
	cmd.Flags().StringVar(&template, "keep", "", "what of these is kept, as latestPushedK=10")
	cmd.Flags().StringArrayVar(&rule.Labels, "label", nil, "artifacts that people have put this label on (a glob); may be repeated")
	cmd.Flags().BoolVar(&rule.ExceptLabels, "except-labels", false, "those with none of these labels")
	cmd.Flags().BoolVar(&rule.Untagged, "untagged", false, "artifacts without a tag too")
	return cmd
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm PROJECT RULE", Aliases: []string{"remove"},
		Short:   "Remove a rule: what it alone kept goes with the next run",
		Example: `  registry retention rm team 123273128877563084`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if _, err := strconv.ParseInt(a[1], 10, 64); err != nil {
				return command.Misused(cmd, fmt.Errorf("%q is no rule; \"registry retention ls\" lists them", a[1]))
			}
			return t.Do(cmd, func(r command.API) error {
				return r.Delete(command.Path("projects", a[0], "retention", a[1]))
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newSchedule() *cobra.Command {
	var t command.Registry
	var zone string
	cmd := &cobra.Command{
		Use: "schedule PROJECT CRON|never", Short: "Say when the rules of a project are run",
		Example: `  registry retention schedule team '30 3 * * 0' --zone Europe/Berlin
  registry retention schedule team never`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			cron := a[1]
			if cron == "never" {
				cron = ""
			}
			return t.Do(cmd, func(r command.API) error {
				path := command.Path("projects", a[0], "retention", "schedule")
				return r.Put(path, work.RetentionSchedule{Cron: cron, Zone: zone})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&zone, "zone", "", "time zone, as Europe/Berlin (default UTC)")
	return cmd
}

func newPreview() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "preview PROJECT", Aliases: []string{"dry-run"},
		Short: "Show what a run would delete now, why, and what that frees",
		Example: `  registry retention preview team
  registry retention preview team --format json`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var p work.RetentionPlan
				err := r.Get(command.Path("projects", a[0], "retention", "preview"), &p, "most", mostGone)
				if err != nil {
					return err
				}
				if err := list.Print(cmd, "ARTIFACT TAGS PUSHED PULLED WHY", command.Items(p.Gone, gone)); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), summary(p))
				return err
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// mostGone is as many artifacts as a preview lists.
const mostGone = "100000"

// summary tells a plan in one line.
func summary(p work.RetentionPlan) string {
	size := func(n int64) string { return units.BytesSize(float64(n)) }
	return plural.Sprintf("%d artifacts would go, and %d manifests with them; %d stay. "+
		"%s stop counting in the project, %s are freed",
		p.Artifacts, p.With, p.Kept, size(p.Space.Counted), size(p.Space.Alone))
}

// gone is an artifact as the table and JSON show it.
func gone(g work.RetentionGone) command.Item {
	why := strings.Join(g.Why, "; ")
	if why == "" {
		why = "no rule speaks of it"
	}
	tags := strings.Join(g.Tags, ",")
	if tags == "" {
		tags = "-"
	}
	return command.Item{
		Row: []string{
			g.Repository + "@" + short(g.Digest), tags, command.Stamp(g.PushedAt), command.When(g.PulledAt), why,
		},
		Object: g,
	}
}

// short is a digest as far as people compare it.
func short(d string) string {
	algorithm, hex, _ := strings.Cut(d, ":")
	return algorithm + ":" + hex[:min(12, len(hex))]
}

func newRun() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "run PROJECT", Short: "Have a server run the rules of a project, and print the job",
		Long: `Have a server of the registry run the rules of a project, and print the job:
"registry job show JOB" tells what it did. What it deletes can be had back with
"registry tag restore" until the collector has taken it.`,
		Example: `  registry retention run team`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var started work.Started
				err := r.Post(command.Path("projects", a[0], "retention", "run"), nil, &started)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), started.Job)
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
