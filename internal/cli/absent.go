package cli

import (
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// absent are docker's commands that there are not, each with why and what there is
// instead: whoever types one is told more than that it is unknown.
func absent() []verb {
	const swarm = "there is no swarm: cove runs the containers of one machine; cove compose runs several as one project"
	var all []verb
	for _, c := range []struct{ name, why string }{
		{"swarm", swarm},
		{"service", swarm},
		{"stack", swarm},
		{"node", swarm},
		{"config", swarm},
		{"secret", swarm + ", with secrets from files"},
		{"plugin", "there are no plugins: volumes are local, networks are bridges"},
		{"trust", "there is no Notary to ask; name an image by its digest, as IMAGE@sha256:…"},
		{"checkpoint", "what runs is not written to disk and resumed; pause and unpause stop it for a while"},
		{"manifest", "cove build --platform OS/ARCH,OS/ARCH makes and pushes an index; cove copy copies one whole"},
	} {
		all = append(all, verb{name: c.name, make: func(*app.App) *cobra.Command {
			return &cobra.Command{
				Use: c.name, Short: "Not supported: " + c.why, Hidden: true, DisableFlagParsing: true,
				RunE: func(*cobra.Command, []string) error {
					return errdefs.Errorf(errdefs.ErrUnsupported, "%s: %s", c.name, c.why)
				},
			}
		}})
	}
	return all
}
