package imagecmd

import (
	"context"

	"github.com/spf13/cobra"

	engineimages "cove/engine/images"
	"cove/internal/cli/app"
	"cove/internal/cli/imagediff"
	"cove/internal/cli/progress"
)

// Diff compares two images, file by file.
func Diff(a *app.App) *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff [flags] IMAGE IMAGE",
		Short: "List the files in which two images differ: added (A), changed (C) or deleted (D)",
		Long: `List the files and settings in which the second image differs from the first. Both
may be here or at registries; nothing is unpacked or executed.

A file is added (A), deleted (D) or changed (C): in its type, mode, owner, size,
bytes, link, device or extended attributes; with --times also in when it was
modified. Settings are those of the config that a container is started with.

The exit code is 0 when the images do not differ, 1 when they do, and 2 when they
could not be compared.`,
		Example: `  diff app:v1 app:v2
  diff --platform linux/arm64 registry.example.com/app:v1 registry.example.com/app:v2
  diff --format json app:v1 app:v2`,
		Args: app.ExactArgs(2),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.Platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	fs.BoolVar(&f.Times, "times", false, "compare also when files were modified")
	fs.StringVar(&f.format, "format", "", "json, instead of lines")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing: the exit code says it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.diff(cmd.Context(), a, args[0], args[1]) }
	return cmd
}

// diffFlags are the flags of diff.
type diffFlags struct {
	engineimages.DiffOptions
	format string
	quiet  bool
}

func (f *diffFlags) diff(ctx context.Context, a *app.App, before, after string) (err error) {
	if err := imagediff.CheckFormat(f.format); err != nil {
		return err
	}
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	end := func() {}
	if !f.quiet {
		t := progress.NewTransfer(progress.ScreenOf(a.Err))
		f.Progress, end = t.Event, t.Close
	}
	d, err := eng.CompareImages(ctx, before, after, f.DiffOptions)
	end()
	if err != nil {
		return &app.Exit{Code: imagediff.CodeTrouble, Err: err}
	}
	if !f.quiet {
		if err := imagediff.Show(a.Out, d, f.format); err != nil {
			return err
		}
	}
	if !d.Same() {
		return &app.Exit{Code: app.CodeFailed}
	}
	return nil
}
