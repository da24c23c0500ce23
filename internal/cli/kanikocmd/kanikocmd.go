// Package kanikocmd holds the command that takes the flags of kaniko's executor, so that
// a CI job moves by changing the name of the program. What they mean is said in the flags
// of build, which does the work.
package kanikocmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/reference"
)

// New is the command; build makes the one that it becomes.
func New(a *app.App, build func(*app.App) *cobra.Command) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "kaniko [flags]",
		Short: "Build an image with the flags of kaniko's executor",
		Long: `Build and push an image with the flags of kaniko's executor, for CI jobs that have
them. A flag either does what it does there, asks for what is always done here, or is
refused by name with what to do instead. It is docs/build.md that lists them.`,
		Example: `  kaniko --context . --dockerfile Dockerfile --destination registry.example.com/app:v1
  kaniko --context git://github.com/team/app.git#refs/heads/main --destination reg.example.com/app --cache
  kaniko --context dir:///workspace --no-push --tar-path app.tar --destination app:v1`,
		Args: cobra.ArbitraryArgs, // a refused flag may have a value behind it: it is told of first
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.refuse(cmd.Flags().Changed); err != nil {
			return err
		}
		if err := app.NoArgs()(cmd, args); err != nil {
			return err
		}
		args, err := f.args()
		if err != nil {
			return err
		}
		a.Insecure = append(a.Insecure, f.hosts()...)
		a.Mirrors = append(a.Mirrors, f.mirrors...)
		return f.run(cmd.Context(), build(a), args)
	}
	return cmd
}

// run builds, and writes what is asked for into files.
func (f *flags) run(ctx context.Context, cmd *cobra.Command, args []string) (err error) {
	metadata := ""
	if f.digestFile != "" || f.nameFile != "" || f.tagFile != "" {
		dir, err := os.MkdirTemp("", "kaniko-")
		if err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "kaniko: %w", err)
		}
		defer os.RemoveAll(dir)
		metadata = filepath.Join(dir, "metadata.json")
		args = append([]string{"--metadata-file", metadata}, args...)
	}
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(ctx); err != nil || metadata == "" {
		return err
	}
	text, err := os.ReadFile(metadata)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "kaniko: %w", err)
	}
	return f.writeDigests(text)
}

// writeDigests writes the digest of what was built into the files of --digest-file and
// its like. An image without a digest, as of an archive of files, is an error.
func (f *flags) writeDigests(metadata []byte) error {
	var made struct {
		Digest string `json:"containerimage.digest"`
	}
	if err := json.Unmarshal(metadata, &made); err != nil || made.Digest == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "--digest-file: no image was made that has a digest")
	}
	var names, tags strings.Builder
	for _, destination := range f.destinations {
		ref, err := reference.Parse(destination)
		if err != nil {
			return err
		}
		fmt.Fprintf(&names, "%s@%s\n", ref.Name(), made.Digest)
		fmt.Fprintf(&tags, "%s:%s@%s\n", ref.Name(), ref.Tag, made.Digest)
	}
	for _, out := range []struct{ flag, file, text string }{
		{"--digest-file", f.digestFile, made.Digest},
		{"--image-name-with-digest-file", f.nameFile, names.String()},
		{"--image-name-tag-with-digest-file", f.tagFile, tags.String()},
	} {
		if out.file == "" {
			continue
		}
		if err := app.WriteText(out.file, []byte(out.text)); err != nil {
			return fmt.Errorf("%s: %w", out.flag, err)
		}
	}
	return nil
}

// hosts are the registries that may be spoken to without TLS, or with a certificate that
// nobody vouches for.
func (f *flags) hosts() []string {
	hosts := append(append([]string{}, f.insecureRegistries...), f.skipTLSRegistries...)
	if !f.insecure && !f.skipTLS {
		return hosts
	}
	for _, destination := range f.destinations {
		if ref, err := reference.Parse(destination); err == nil {
			hosts = append(hosts, ref.Registry)
		}
	}
	return hosts
}
