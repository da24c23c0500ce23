package contextcmd

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/contextcmd/store"
)

const (
	// metaFile is the name of the metadata in docker's archive of a context.
	metaFile = "meta.json"
	// maxMeta bounds what is read of an archive.
	maxMeta = 1 << 20
)

func exportTo(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "export CONTEXT [FILE|-]", Short: "Write a context to an archive that docker can import, too",
		Example: "  export build\n  export build - | ssh other cove context import build -", Args: app.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := contexts().Get(args[0])
			if err != nil {
				return err
			}
			to := args[0] + ".dockercontext"
			if len(args) == 2 {
				to = args[1]
			}
			if to == "-" {
				if _, ok := app.Terminal(a.Out); ok {
					return errdefs.Errorf(errdefs.ErrInvalid,
						"not writing an archive to a terminal: use a file or a pipe")
				}
				return archive(a.Out, c)
			}
			if _, err := os.Lstat(to); err == nil {
				return errdefs.Errorf(errdefs.ErrExists, "%s is there already", to)
			}
			if err := app.WriteFile(to, func(w io.Writer) error { return archive(w, c) }); err != nil {
				return err
			}
			fmt.Fprintf(a.Err, "Written file %q\n", to)
			return nil
		},
	}
}

func archive(w io.Writer, c store.Context) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	err = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: metaFile, Mode: 0o644, Size: int64(len(body))})
	if err == nil {
		_, err = tw.Write(body)
	}
	return errors.Join(err, tw.Close())
}

func importFrom(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "import CONTEXT FILE|-", Short: "Make a context of an archive that this or docker exported",
		Example: "  import build build.dockercontext", Args: app.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := contexts().Get(args[0]); err == nil {
				return errdefs.Errorf(errdefs.ErrExists, "context %q already exists", args[0])
			}
			in := a.In
			if args[1] != "-" {
				f, err := os.Open(args[1])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			c, err := unarchive(args[0], in)
			if err != nil {
				return err
			}
			if _, err := hostOf(map[string]string{"host": c.Host()}); err != nil {
				return err
			}
			if err := contexts().Put(c); err != nil {
				return err
			}
			fmt.Fprintln(a.Out, args[0])
			fmt.Fprintf(a.Err, "Successfully imported context %q\n", args[0])
			return nil
		},
	}
}

// unarchive reads the metadata of an archive. What else is in it are certificates for
// docker's client, which cove has no use for.
func unarchive(name string, r io.Reader) (store.Context, error) {
	tr := tar.NewReader(io.LimitReader(r, 16*maxMeta))
	for {
		h, err := tr.Next()
		if err != nil {
			return store.Context{}, errdefs.Errorf(errdefs.ErrInvalid,
				"the archive of context %q has no %s: %w", name, metaFile, err)
		}
		if h.Name != metaFile {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(tr, maxMeta))
		if err != nil {
			return store.Context{}, errdefs.Errorf(errdefs.ErrInvalid, "the archive of context %q: %w", name, err)
		}
		c, err := store.Decode(name, body)
		if err != nil {
			return c, err
		}
		return store.New(name, c.Metadata.Description, c.Host()), nil
	}
}
