// Package accesscmd is the registry's commands on who may what.
package accesscmd

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/api/client"
)

// New is the command "access" with those below it.
func New() *cobra.Command {
	return command.Group("access", "Ask who may what, and why", newExplain())
}

func newExplain() *cobra.Command {
	var t command.Registry
	var format string
	cmd := &cobra.Command{
		Use: "explain USER VERB [REPOSITORY|PROJECT]", Short: "Say whether somebody may do something, and which rule decides",
		Long: `Say whether somebody may do something, and which rule decides. VERB is pull,
push, delete, or a right that "registry role list" shows; USER "" is everyone who
is not signed in. The exit code is 0 either way.`,
		Example: `  registry access explain alice push team/base
  registry access explain 'robot$team+ci' delete team/base
  registry access explain "" pull library/debian
  registry access explain alice member:update team --format json`,
		Args: command.Args(cobra.RangeArgs(2, 3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			object := ""
			if len(a) == 3 {
				object = a[2]
			}
			return t.Do(cmd, func(r command.API) error {
				e, err := explain(r, a[0], a[1], object)
				if err != nil {
					return err
				}
				if format != "" {
					return output.Objects(cmd.OutOrStdout(), format, []any{e})
				}
				answer := "no"
				if e.Allowed {
					answer = "yes"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", answer, e.Why)
				return err
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&format, "format", "", `"json", or a Go template`)
	return cmd
}

// explain asks why. A user "" is everyone who is not signed in, which is not the same as
// no user at all.
func explain(r command.API, user, verb, object string) (e access.Explanation, err error) {
	err = r.Do(r.Context(), client.Call{
		Method: http.MethodGet, Path: "/access", Into: &e,
		Query: url.Values{"user": {user}, "verb": {verb}, "object": {object}},
	})
	return e, err
}
