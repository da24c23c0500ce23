package scancmd

import (
	"net/http"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/client"
	"cove/registry/scan/advisory"
)

func newExport() *cobra.Command {
	var t command.Registry
	var project, repositories, tags, severity, vulnerability string
	cmd := &cobra.Command{
		Use: "export", Short: "Print the vulnerabilities of images as CSV",
		Long: `Print the vulnerabilities of images as CSV: a line for each that an image has in a
package, by repository and digest. Images that were not scanned have none. What programs for
sheets would take for a formula has an apostrophe before it.`,
		Example: `  registry scan export > all.csv
  registry scan export --project team --severity high > team.csv
  registry scan export --repositories 'team/web/**' --tags 'v*' --cve CVE-2021-44228`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if severity != "" {
				if _, err := advisory.ParseSeverity(severity); err != nil {
					return command.Misused(cmd, err)
				}
			}
			path := "/security/vulnerabilities.csv"
			if project != "" {
				path = command.Path("projects", project, "vulnerabilities.csv")
			}
			return t.Do(cmd, func(r command.API) error {
				return r.Do(r.Context(), client.Call{
					Method: http.MethodGet, Path: path, Into: cmd.OutOrStdout(),
					Query: client.Query("repositories", repositories, "tags", tags, "severity", severity,
						"vulnerability", vulnerability),
				})
			})
		},
	}
	t.Flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&project, "project", "", "only images of this project")
	flags.StringVar(&repositories, "repositories", "", "only repositories that this glob names, as team/web/**")
	flags.StringVar(&tags, "tags", "", "only images with a tag that this glob names")
	flags.StringVar(&severity, "severity", "", "only this severity and worse")
	flags.StringVar(&vulnerability, "cve", "", "only this vulnerability")
	return cmd
}
