package copycmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine/imagecopy"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/progress"
)

// mergeFlags are the flags of merge.
type mergeFlags struct {
	tags, annotations     []string
	append, dryRun, quiet bool
}

// Merge makes an index of images that were built apart.
func Merge(a *app.App) *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge [flags] -t NAME IMAGE [IMAGE...]",
		Short: "Make one image of several platforms from images that are there",
		Long: `Make an index of images that were built apart, as one of several platforms, each
by a machine of its own. docker buildx imagetools create does the same.

Each IMAGE and NAME is NAME[:TAG] at a registry, IMAGE also NAME@DIGEST, or
oci:DIR[:TAG], a directory in the OCI image layout. What an IMAGE has for
several platforms is taken apart, with its attestations. Two images for one
platform are an error; with --append an IMAGE takes the place of the one for its
platform that the first NAME has.

Images stay as they are, digests and all. What NAME's repository does not have
is brought there, and the tag is moved last.`,
		Example: `  merge -t registry.example.com/app:v1 registry.example.com/app:v1-amd64 registry.example.com/app:v1-arm64
  merge -t registry.example.com/app:v1 --append registry.example.com/ci/app:arm64
  merge --dry-run registry.example.com/app:v1-amd64 oci:arm64`,
		Args: cobra.MinimumNArgs(1),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringArrayVarP(&f.tags, "tag", "t", nil, "where the index goes: NAME[:TAG] or oci:DIR[:TAG]; several get it")
	fs.BoolVar(&f.append, "append", false, "keep what the first NAME has for other platforms")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotate the index: [index:]KEY=VALUE")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print the index, and store nothing")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the digest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.merge(cmd.Context(), a, args) }
	return cmd
}

func (f *mergeFlags) merge(ctx context.Context, a *app.App, args []string) error {
	m, err := f.read(args)
	if err != nil {
		return err
	}
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	if f.dryRun {
		made, err := m.Index(ctx, eng)
		if err == nil {
			fmt.Fprintln(a.Out, string(made.Body))
		}
		return err
	}
	end := func() {}
	if !f.quiet {
		t := progress.NewTransfer(progress.ScreenOf(a.Err))
		t.Push = true
		m.Progress, end = t.Event, t.Close
	}
	desc, err := m.Run(ctx, eng)
	end()
	if err != nil {
		return err
	}
	if f.quiet {
		fmt.Fprintln(a.Out, desc.Digest)
		return nil
	}
	for _, to := range m.Targets {
		fmt.Fprintf(a.Out, "%s: digest: %s size: %d\n", to, desc.Digest, desc.Size)
	}
	return nil
}

// read makes of the flags what is to be merged.
func (f *mergeFlags) read(args []string) (m imagecopy.Merge, err error) {
	if len(f.tags) == 0 && (!f.dryRun || f.append) {
		return m, errdefs.Errorf(errdefs.ErrInvalid, "merge: say with -t where the index goes")
	}
	m.Append = f.append
	for _, name := range args {
		src, err := imagecopy.Parse(name)
		if err != nil {
			return m, err
		}
		m.Sources = append(m.Sources, src)
	}
	for _, name := range f.tags {
		to, err := imagecopy.ParseTarget(name)
		if err != nil {
			return m, err
		}
		m.Targets = append(m.Targets, to)
	}
	for _, text := range f.annotations {
		key, value, ok := strings.Cut(strings.TrimPrefix(text, "index:"), "=")
		if !ok || key == "" || strings.HasPrefix(key, "manifest") && strings.Contains(key, ":") {
			return m, errdefs.Errorf(errdefs.ErrInvalid, "--annotation %q: want [index:]KEY=VALUE", text)
		}
		if m.Annotations == nil {
			m.Annotations = map[string]string{}
		}
		m.Annotations[key] = value
	}
	return m, nil
}
