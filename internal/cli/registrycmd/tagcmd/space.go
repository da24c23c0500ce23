package tagcmd

import (
	"fmt"
	"strconv"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
	"cove/registry/metadata"
)

func newSpace() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "space REPOSITORY:TAG|REPOSITORY@DIGEST", Short: "List the files that take the space in an image",
		Long: `List the files that take the space in an image, unpacked: the largest, and those that a layer
holds and a layer above it replaces or deletes. These are pulled, too, and nobody sees them.
A server reads the layers: give --server.`,
		Example: `  registry tag space team/app:v1 --server https://registry.example.com
  registry tag space team/app:v1 --server https://registry.example.com --format '{{.Size}} {{.State}} {{.Path}}'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var s api.Space
				if err := r.Get(command.Path("space", metadata.CanonicalName(a[0])), &s); err != nil {
					return err
				}
				cmd.PrintErrf("%s in %d files, and %s in %d that are hidden; %s packed\n", size(s.Bytes), s.Files,
					size(s.HiddenBytes), s.HiddenFiles, size(s.Packed))
				items := command.Items(spaceOf(s), func(f spaceFile) command.Item {
					row := []string{f.Path, strconv.FormatInt(f.Size, 10), f.State, brief(f.Layer), brief(f.By)}
					return command.Item{Row: row, Object: f}
				})
				return list.Print(cmd, "PATH SIZE STATE LAYER BY", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// spaceFile is a file of either list.
type spaceFile struct {
	Path  string `json:"path"`
	Size  int64  `json:"size"`
	State string `json:"state"` // seen, replaced or deleted
	Layer string `json:"layer"`
	By    string `json:"by,omitempty"`
}

func spaceOf(s api.Space) (all []spaceFile) {
	for _, f := range s.Largest {
		all = append(all, spaceFile{f.Path, f.Size, "seen", f.Layer, ""})
	}
	for _, f := range s.Hidden {
		state := "replaced"
		if f.Deleted {
			state = "deleted"
		}
		all = append(all, spaceFile{f.Path, f.Size, state, f.Layer, f.By})
	}
	return all
}

func size(n int64) string { return units.HumanSize(float64(n)) }

// brief is a digest as lists show it.
func brief(dgst string) string {
	if dgst == "" {
		return "-"
	}
	const shown = len("sha256:") + 12
	return fmt.Sprintf("%.*s", shown, dgst)
}
