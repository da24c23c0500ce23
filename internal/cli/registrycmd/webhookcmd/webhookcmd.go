// Package webhookcmd is the registry's commands on webhooks.
package webhookcmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/webhooks"
	"cove/registry/webhook/payload"
)

const about = `A webhook tells an address of what happens in a project: pushes, pulls, deletes,
quotas, replication, retention and scans, as Harbor tells of them. Servers of the
registry deliver, and try again for some hours while a receiver does not answer.

Deliveries go to public addresses, and to networks that the configuration allows:

  outbound: {allow: [10.1.0.0/16]}`

// New is the command "webhook" with those below it.
func New() *cobra.Command {
	cmd := command.Group("webhook", "Tell others of what happens in a project",
		newList(), newCreate(), newSet(), newRemove(), newTest(), newDeliveries(), newAttempts(), newStop(), newRetry())
	cmd.Long = about
	return cmd
}

// target is a registry, and a webhook of a project in it.
type target struct{ command.Registry }

// path is where the webhooks of a project are.
func path(project string) string { return command.Path("projects", project, "webhooks") }

// with calls f with where the webhook is that two arguments name: a project, and a name
// or an id.
func (t *target) with(cmd *cobra.Command, project, name string,
	f func(r command.API, path string) error,
) error {
	return t.Do(cmd, func(r command.API) error {
		var all webhooks.Webhooks
		if err := r.Get(path(project), &all); err != nil {
			return err
		}
		for _, h := range all.Items {
			if h.Name == name || h.ID == name {
				return f(r, path(project)+command.Path(h.ID))
			}
		}
		return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no webhook %q", project, name)
	})
}

func newList() *cobra.Command {
	var t target
	var list command.List
	cmd := &cobra.Command{
		Use: "ls PROJECT", Aliases: []string{"list"}, Short: "List the webhooks of a project",
		Example: `  registry webhook ls team
  registry webhook ls team --format '{{.Name}} {{.URL}} {{.Lost}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all webhooks.Webhooks
				if err := r.Get(path(a[0]), &all); err != nil {
					return err
				}
				return list.Print(cmd, "NAME ENABLED FORMAT URL EVENTS LAST", command.Items(all.Items, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func item(h webhooks.Webhook) command.Item {
	return command.Item{
		Row: []string{h.Name, command.Yes(h.Enabled), h.Format, h.URL, events(h), last(h)}, Object: h,
	}
}

func events(h webhooks.Webhook) string {
	if len(h.Events) == len(payload.Types()) {
		return "all"
	}
	return strings.Join(h.Events, ",")
}

// last is what came of the newest attempt.
func last(h webhooks.Webhook) string {
	switch {
	case h.Last == nil:
		return "-"
	case h.Last.Status != 0:
		return strconv.Itoa(h.Last.Status)
	}
	return command.OneLine(h.Last.Error)
}

func newCreate() *cobra.Command {
	var t target
	var s settings
	cmd := &cobra.Command{
		Use: "create PROJECT NAME URL", Short: "Tell an address of what happens in a project",
		Long: `Tell an address of what happens in a project.

With a secret each request carries X-Cove-Signature-256: "sha256=" and the
HMAC-SHA256 of the body in hexadecimal. Secret and header are kept sealed and never
shown again; the key is keys/secrets.key in the root.`,
		Example: `  registry webhook create team ci https://ci.example.com/hook --event push_artifact
  printf %s "$SECRET" | registry webhook create team ci https://ci.example.com/hook --secret-stdin
  registry webhook create team chat https://hooks.slack.com/services/T0/B0/X --payload slack`,
		Args: command.Args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			spec, err := s.spec(cmd)
			if err != nil {
				return err
			}
			spec.Name, spec.URL = &a[1], &a[2]
			return t.Do(cmd, func(r command.API) error {
				var h webhooks.Webhook
				if err := r.Post(path(a[0]), spec, &h); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), h.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	s.flags(cmd)
	return cmd
}

func newSet() *cobra.Command {
	var t target
	var s settings
	var name, url string
	cmd := &cobra.Command{
		Use: "set PROJECT WEBHOOK", Short: "Change a webhook; what is not given stays",
		Example: `  registry webhook set team ci --enabled=false
  registry webhook set team ci --url https://ci.example.com/new --event push_artifact --event delete_artifact`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			spec, err := s.spec(cmd)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("name") {
				spec.Name = &name
			}
			if cmd.Flags().Changed("url") {
				spec.URL = &url
			}
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error { return r.Patch(hook, spec) })
		},
	}
	t.Flags(cmd)
	s.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&url, "url", "", "another address")
	return cmd
}

func newRemove() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "rm PROJECT WEBHOOK", Aliases: []string{"remove"},
		Short:   "Remove a webhook, with what it has not delivered",
		Example: `  registry webhook rm team ci`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.with(cmd, a[0], a[1], func(r command.API, hook string) error { return r.Delete(hook) })
		},
	}
	t.Flags(cmd)
	return cmd
}
