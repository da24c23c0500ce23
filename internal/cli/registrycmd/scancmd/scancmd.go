// Package scancmd is the registry's commands on scans for vulnerabilities: what they
// found, the databases they use, and what projects keep back.
package scancmd

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/api/rest"
	"cove/registry/api/scans"
	"cove/registry/api/work"
	"cove/registry/jobs"
	"cove/registry/scan/advisory"
	"cove/registry/scan/results"
)

// New is the command "scan" with those below it.
func New() *cobra.Command {
	return command.Group("scan", "Find vulnerabilities in images, and keep back what is too bad",
		newRun(), newShow(), newList(), newSummary(), newCVE(), newExport(), newDatabases(), newScanners(), newGate(),
		newAllow())
}

func newRun() *cobra.Command {
	var t command.Registry
	var all, wait bool
	cmd := &cobra.Command{
		Use: "run [NAME…]", Short: "Have images scanned by a server, and print the jobs",
		Long: `Have images scanned by a server of the registry, and print the numbers of the jobs
that do it. Of an index each image is scanned. What was read of a layer before is not
read again.`,
		Example: `  registry scan run team/app:v1
  registry scan run --wait team/app@sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a
  registry scan run --all`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return command.Misused(cmd, errors.New("name images, or use --all for those that were not scanned"))
			}
			return t.Do(cmd, func(r command.API) error {
				asked, err := ask(r, names)
				for _, id := range asked {
					if _, failed := fmt.Fprintln(cmd.OutOrStdout(), id); failed != nil {
						return failed
					}
				}
				if err != nil || !wait {
					return err
				}
				return await(r, asked)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all images that were not scanned")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is done")
	return cmd
}

func ask(r command.API, names []string) (all []string, err error) {
	if len(names) == 0 {
		var asked scans.Asked
		err := r.Post("/security/scan", nil, &asked)
		return asked.Jobs, err
	}
	return all, command.Each(names, func(name string) error {
		var asked scans.Asked
		err := r.Post(command.Path("scans", name), nil, &asked)
		all = append(all, asked.Jobs...)
		return err
	})
}

// await waits for jobs to end. One that failed is an error.
func await(r command.API, all []string) error {
	const every = 200 * time.Millisecond
	var failed error
	for _, id := range all {
		for {
			var j work.Job
			if err := r.Get(command.Path("jobs", id), &j); err != nil {
				return err
			}
			if j.EndedAt != nil {
				if j.State != string(jobs.Done) {
					failed = errors.Join(failed,
						errdefs.Errorf(errdefs.ErrCorrupt, "job %s is %s: %s", id, j.State, j.Error))
				}
				break
			}
			select {
			case <-time.After(every):
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}
	}
	return failed
}

func newShow() *cobra.Command {
	var t command.Registry
	var list command.List
	var from string
	cmd := &cobra.Command{
		Use: "show NAME", Short: "List the vulnerabilities of an image, the worst first",
		Example: `  registry scan show team/app:v1
  registry scan show team/app:v1 --severity high
  registry scan show team/app:v1 --format '{{.ID}} {{.Package}} {{.Fixed}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			least, err := advisory.ParseSeverity(from)
			if err != nil {
				return command.Misused(cmd, err)
			}
			return t.Do(cmd, func(r command.API) error {
				var found scans.Reports
				if err := r.Get(command.Path("scans", a[0]), &found); err != nil {
					return err
				}
				var items []command.Item
				for _, one := range found.Items {
					if err := heading(cmd.ErrOrStderr(), one); err != nil {
						return err
					}
					items = append(items, atLeast(one.Vulnerabilities, least)...)
				}
				return list.Print(cmd, "VULNERABILITY SEVERITY PACKAGE VERSION MENDED TITLE", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().StringVar(&from, "severity", "unknown", "only this severity and worse")
	return cmd
}

// heading tells what is known of an image beside its vulnerabilities.
func heading(w io.Writer, s scans.Scan) error {
	line := fmt.Sprintf("%s@%s: ", s.Repository, s.Digest)
	if s.Scanner != "" {
		line += plural.Sprintf("scanned by %s, %d vulnerabilities", s.Scanner, s.Summary.Total)
	} else {
		line += plural.Sprintf("%d packages, %d vulnerabilities", s.Packages, s.Summary.Total)
	}
	for _, severity := range advisory.Severities() {
		if n := s.Summary.Summary[severity.String()]; n > 0 {
			line += fmt.Sprintf(", %d %s", n, strings.ToLower(severity.String()))
		}
	}
	if s.System != "" {
		line += ", " + s.System
	}
	if s.State == string(results.Failed) {
		line = fmt.Sprintf("%s@%s could not be scanned: %s", s.Repository, s.Digest, s.Note)
	} else if s.Note != "" {
		line += "; not all was read: " + s.Note
	}
	if s.Held {
		line += "; it is kept back"
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

func atLeast(all []scans.Finding, least advisory.Severity) (items []command.Item) {
	for _, f := range all {
		if advisory.Judged(f.Severity) < least {
			continue
		}
		fixed := f.Fixed
		if fixed == "" {
			fixed = "-"
			if f.Status != "" {
				fixed = strings.ReplaceAll(f.Status, "_", " ")
			}
		}
		items = append(items, command.Item{
			Row:    []string{f.ID, f.Severity, f.Package, f.Version, fixed, command.OneLine(f.Title)},
			Object: f,
		})
	}
	return items
}

// counts are the columns of a summary.
func counts(s scans.Summary) (all []string) {
	for _, severity := range []advisory.Severity{advisory.Critical, advisory.High, advisory.Medium, advisory.Low} {
		all = append(all, strconv.Itoa(s.Summary[severity.String()]))
	}
	return append(all, strconv.Itoa(s.Fixable))
}

const entryColumns = "IMAGE CRITICAL HIGH MEDIUM LOW FIXABLE TAGS"

func entry(e scans.Entry) command.Item {
	row := append([]string{e.Repository + "@" + e.Digest}, counts(e.Summary)...)
	return command.Item{Row: append(row, strings.Join(e.Tags, ",")), Object: e}
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	var project string
	var n int
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List scanned images, those with the worst vulnerabilities first",
		Example: `  registry scan list
  registry scan list --project team -n 10 --format json`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one image", n))
			}
			path := "/security/artifacts"
			if project != "" {
				path = command.Path("projects", project, "vulnerable")
			}
			return t.Do(cmd, func(r command.API) error {
				page, err := command.First[scans.Entry](r, n, path)
				if err != nil {
					return err
				}
				return list.Print(cmd, entryColumns, command.Items(page, entry))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().StringVar(&project, "project", "", "only images of this project")
	cmd.Flags().IntVarP(&n, "limit", "n", 50, "how many at most")
	return cmd
}

func newSummary() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "summary", Short: "Count images and vulnerabilities by severity",
		Example: `  registry scan summary
  registry scan summary --format json`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var o scans.Overview
				err := r.Get("/security", &o)
				if err != nil {
					return err
				}
				rows := []command.Item{}
				for _, severity := range append(advisory.Severities(), advisory.None) {
					name := severity.String()
					rows = append(rows, command.Item{Row: []string{
						name, strconv.Itoa(o.Artifacts[name]), strconv.Itoa(o.Vulnerabilities[name]),
					}, Object: o})
				}
				if !list.Table() {
					return list.Print(cmd, "", rows[:1])
				}
				_, err = plural.Fprintf(
					cmd.ErrOrStderr(),
					"%d of %d images are scanned, %d could not be, %d wait; %d databases\n",
					o.Scanned,
					o.Images,
					o.Failed,
					o.Waiting,
					len(o.Databases),
				)
				if err != nil {
					return err
				}
				return list.Print(cmd, "WORST IMAGES VULNERABILITIES", rows)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newCVE() *cobra.Command {
	var t command.Registry
	var list command.List
	var n int
	cmd := &cobra.Command{
		Use: "cve ID", Short: "List the images that have a vulnerability",
		Example: `  registry scan cve CVE-2021-44228
  registry scan cve CVE-2021-44228 -q`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if n < 1 {
				return command.Misused(cmd, fmt.Errorf("--limit %d: ask for at least one image", n))
			}
			return t.Do(cmd, func(r command.API) error {
				v, err := about(r, a[0], n)
				if err == nil && v.Severity != "" {
					_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s %s\n", v.ID, v.Severity, command.OneLine(v.Title))
				}
				if err != nil {
					return err
				}
				return list.Print(cmd, entryColumns, command.Items(v.Artifacts.Items, entry))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	cmd.Flags().IntVarP(&n, "limit", "n", 50, "how many at most")
	return cmd
}

// about reads what is known of a vulnerability, with the first n images that have it.
func about(r command.API, id string, n int) (v scans.Vulnerability, err error) {
	const perPage = 100
	var all []scans.Entry
	for after := ""; ; after = v.Artifacts.Next {
		v.Artifacts = rest.Page[scans.Entry]{}
		limit := strconv.Itoa(min(perPage, n-len(all)))
		err := r.Get(command.Path("security", "vulnerabilities", id), &v, "limit", limit, "after", after)
		if err != nil {
			return v, err
		}
		if all = append(all, v.Artifacts.Items...); v.Artifacts.Next == "" || len(all) >= n {
			v.Artifacts.Items = all
			return v, nil
		}
	}
}
