package scancmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/rest"
	"cove/registry/api/scans"
	"cove/registry/scan/advisory"
)

func newGate() *cobra.Command {
	return command.Group(
		"gate",
		"Say what a project wants of scans, and what it keeps back",
		newGateShow(),
		newGateSet(),
	)
}

func newGateShow() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "show PROJECT…", Short: "Show what projects want of scans",
		Example: `  registry scan gate show team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				var items []command.Item
				for _, name := range names {
					var shown scans.Settings
					if err := r.Get(settings(name), &shown); err != nil {
						return err
					}
					items = append(items, command.Item{Row: []string{
						name, command.Yes(shown.ScanOnPush), dash(shown.SBOM), dash(shown.Severity),
						dash(shown.Unscanned), dash(shown.Scanner),
					}, Object: shown})
				}
				return list.Print(cmd, "PROJECT SCAN-ON-PUSH SBOM BLOCKS-FROM UNSCANNED SCANNER", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// settings is where those of a project are.
func settings(project string) string { return command.Path("projects", project, "scanning") }

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newGateSet() *cobra.Command {
	var t command.Registry
	var severity, unscanned string
	var onPush bool
	cmd := &cobra.Command{
		Use: "set PROJECT", Short: "Set what a project wants of scans",
		Long: `Set what a project wants of scans. What is not said stays as it is.

With --severity no image is pulled that has a vulnerability of that severity or
worse, unless it is let through ("registry scan allow"). What becomes of images that
were not scanned yet is to be chosen then: --unscanned allow or block.`,
		Example: `  registry scan gate set team --severity critical --unscanned allow
  registry scan gate set team --severity none
  registry scan gate set team --sbom spdx --scan-on-push=false
  registry scan gate set team --scanner trivy`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var of scans.Settings
				if err := r.Get(settings(a[0]), &of); err != nil {
					return err
				}
				changed := cmd.Flags().Changed
				if changed("scan-on-push") {
					of.ScanOnPush = onPush
				}
				of.SBOM = chosen(cmd, "sbom", of.SBOM, "none")
				of.Scanner = chosen(cmd, "scanner", of.Scanner, "default")
				if changed("unscanned") {
					of.Unscanned = unscanned
				}
				if changed("severity") {
					if err := block(&of, severity); err != nil {
						return command.Misused(cmd, err)
					}
				}
				if err := of.Check(); err != nil {
					return command.Misused(cmd, err)
				}
				return r.Put(settings(a[0]), of)
			})
		},
	}
	t.Flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(
		&severity,
		"severity",
		"",
		"nothing is pulled from this severity on: critical, high, medium, low, negligible; none",
	)
	flags.StringVar(&unscanned, "unscanned", "", "what becomes of images that were not scanned: allow or block")
	flags.String("sbom", "", "attach an SBOM after each scan: spdx, cyclonedx or none")
	flags.String("scanner", "", "which scanner scans: its name, built-in, or default for that of the registry")
	flags.BoolVar(&onPush, "scan-on-push", true, "scan images when they are pushed")
	return cmd
}

// chosen is what a flag says, if it is given: one word stands for nothing.
func chosen(cmd *cobra.Command, flag, was, nothing string) string {
	f := cmd.Flags().Lookup(flag)
	switch {
	case !f.Changed:
		return was
	case f.Value.String() == nothing:
		return ""
	}
	return f.Value.String()
}

// block has settings keep back from a severity on, or nothing.
func block(of *scans.Settings, from string) error {
	severity, err := severityOf(from)
	if err != nil {
		return err
	}
	if of.Severity = strings.ToLower(severity.String()); severity == advisory.None {
		of.Severity, of.Unscanned = "", ""
	}
	return nil
}

func severityOf(text string) (advisory.Severity, error) {
	if text == "none" {
		return advisory.None, nil
	}
	return advisory.ParseSeverity(text)
}

func newAllow() *cobra.Command {
	return command.Group(
		"allow",
		"Let vulnerabilities through gates",
		newAllowList(),
		newAllowAdd(),
		newAllowRemove(),
	)
}

// exceptions is where those of a project, or, when it is "", those of all are.
func exceptions(project string) string {
	if project == "" {
		return "/security/exceptions"
	}
	return settings(project) + "/exceptions"
}

// whose is the project of a command that may be about all.
func whose(cmd *cobra.Command, project string, all bool) (string, error) {
	if all == (project != "") {
		return "", command.Misused(cmd, errors.New("say --project NAME, or --all-projects"))
	}
	return project, nil
}

func whoseFlags(cmd *cobra.Command, project *string, all *bool) {
	cmd.Flags().StringVar(project, "project", "", "of this project")
	cmd.Flags().BoolVar(all, "all-projects", false, "of all projects")
}

func newAllowList() *cobra.Command {
	var t command.Registry
	var list command.List
	var project string
	var all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the vulnerabilities that are let through",
		Example: `  registry scan allow list --project team
  registry scan allow list --all-projects`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := whose(cmd, project, all)
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				var them scans.Exceptions
				if err := r.Get(exceptions(of), &them); err != nil {
					return err
				}
				return list.Print(cmd, "VULNERABILITY UNTIL BY REASON", command.Items(them.Items, exception))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	whoseFlags(cmd, &project, &all)
	return cmd
}

func exception(e scans.Exception) command.Item {
	until := command.When(e.Expires)
	if e.Expired {
		until += " (over)"
	}
	return command.Item{Row: []string{e.ID, until, e.By, dash(command.OneLine(e.Reason))}, Object: e}
}

func newAllowAdd() *cobra.Command {
	var t command.Registry
	var project, expires, reason string
	var all bool
	cmd := &cobra.Command{
		Use: "add ID…", Short: "Let vulnerabilities through, for a time or for good",
		Example: `  registry scan allow add CVE-2024-1234 --project team --expires 30d --reason "not reachable"
  registry scan allow add CVE-2024-1234 --all-projects`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			of, err := whose(cmd, project, all)
			if err != nil {
				return err
			}
			until, err := command.Until(expires, time.Now())
			if err != nil {
				return command.Misused(cmd, fmt.Errorf("--expires: %w", err))
			}
			return t.Do(cmd, func(r command.API) error {
				return command.Each(ids, func(id string) error {
					return r.Put(exceptions(of)+command.Path(id),
						scans.NewException{Expires: rest.Moment(until), Reason: reason})
				})
			})
		},
	}
	t.Flags(cmd)
	whoseFlags(cmd, &project, &all)
	cmd.Flags().StringVar(&expires, "expires", "never", "until when: 30d, 12h, a time, or never")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who come after")
	return cmd
}

func newAllowRemove() *cobra.Command {
	var t command.Registry
	var project string
	var all bool
	cmd := &cobra.Command{
		Use: "rm ID…", Aliases: []string{"remove"}, Short: "Let vulnerabilities through no longer",
		Example: `  registry scan allow rm CVE-2024-1234 --project team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			of, err := whose(cmd, project, all)
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				return command.Each(ids, func(id string) error { return r.Delete(exceptions(of) + command.Path(id)) })
			})
		},
	}
	t.Flags(cmd)
	whoseFlags(cmd, &project, &all)
	return cmd
}
