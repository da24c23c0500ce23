// Package copycmd has the commands that copy and join images past the local ones: apart from
// imagecmd, because they link the client of registries.
package copycmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cove/engine/imagecopy"
	"cove/internal/cli/app"
	"cove/internal/cli/progress"
	"cove/internal/cli/terminal"
)

// Copy copies images between registries and layouts.
func Copy(a *app.App) *cobra.Command {
	var quiet bool
	var opts imagecopy.Options
	cmd := &cobra.Command{
		Use:   "copy [flags] SRC DST",
		Short: "Copy an image or artifact between registries and OCI layouts",
		Long: `Copy an image or artifact between registries and OCI layouts, past the local images.

SRC and DST are NAME[:TAG], SRC also NAME@DIGEST, at a registry, or
oci:DIR[:TAG], a directory in the OCI image layout, which is made where there
is none. A DST without a tag gets the tag latest. A SRC directory without a tag
is the one image in it.

All platforms of an image are copied, digests unchanged. With one --platform DST
is the image for it, with several an index of just those, whose digest is
another. What is there already is not sent again, and what both repositories of
one registry may share is mounted: a copy that was interrupted goes on when it
is run again. The tag is moved last, when everything is there.

Sign-ins and certificates are those of pull and push.`,
		Example: `  copy redis:7 harbor.example.com/mirror/redis:7
  copy --referrers harbor.example.com/dev/app:v1 harbor.example.com/prod/app:v1
  copy --platform linux/arm64 redis:7 oci:redis-arm64:7
  copy oci:redis-arm64:7 harbor.example.com/mirror/redis:7`,
		Args: app.ExactArgs(2),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the digest")
	cmd.Flags().BoolVar(&opts.Referrers, "referrers", false,
		"copy what refers to the image as well: signatures (also under cosign's tags), SBOMs, attestations")
	cmd.Flags().StringSliceVar(&opts.Platforms, "platform", nil, "only these images of several: OS/ARCH[/VARIANT][,…]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return copyImage(cmd.Context(), a, args, quiet, opts)
	}
	return cmd
}

func copyImage(ctx context.Context, a *app.App, args []string, quiet bool, opts imagecopy.Options) error {
	src, err := imagecopy.Parse(args[0])
	if err != nil {
		return err
	}
	dst, err := imagecopy.ParseTarget(args[1])
	if err != nil {
		return err
	}
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	end := func() {}
	if !quiet {
		fmt.Fprintf(a.Err, "Copying %s to %s\n", terminal.Clean(src.String()), terminal.Clean(dst.String()))
		t := progress.NewTransfer(progress.ScreenOf(a.Err))
		t.Push = true
		opts.Progress, end = t.Event, t.Close
	}
	desc, err := imagecopy.Copy(ctx, eng, src, dst, opts)
	end()
	if err != nil {
		return err
	}
	if quiet {
		fmt.Fprintln(a.Out, desc.Digest)
		return nil
	}
	fmt.Fprintf(a.Out, "%s: digest: %s size: %d\n", dst.Tag, desc.Digest, desc.Size)
	return nil
}
