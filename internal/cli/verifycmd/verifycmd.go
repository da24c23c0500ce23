// Package verifycmd holds the command that builds an image again and compares. It links
// the builder.
package verifycmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine/builds"
	"cove/engine/builds/verify"
	"cove/internal/cli/app"
	"cove/internal/cli/buildflags"
	"cove/internal/cli/imagediff"
	"cove/internal/cli/progress/steps"
)

// flags are those of verify.
type flags struct {
	file, target, network, platform, sourceDate   string
	buildArgs, labels, secrets, ssh, named, allow []string
	times, exact, quiet                           bool
	format, progress, lock                        string
}

// Verify builds an image again.
func Verify(a *app.App) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "verify [flags] IMAGE [CONTEXT]",
		Short: "Build an image again from what it says of how it was made, and list the files that differ",
		Long: `Build an image again, from its provenance, and compare what comes of that with the
image, file by file, as diff does. Nothing of the cache is used, and nothing is named.

The provenance says which Dockerfile, target and arguments it was, and which base
images, repositories and files at URLs, with their digests: those are used again. It
is taken from the image, from the history of builds here, or from the registry.
CONTEXT is needed where the image was built from a directory; flags say what the
provenance leaves out, as secrets, and stand above what it says.

The exit code is 0 when the images do not differ, 1 when they do, and 2 when that
could not be found out, also because the build failed.`,
		Example: `  verify registry.example.com/app:v1
  verify --secret id=token,src=token app:v1 ./app
  verify --exact --source-date-epoch git app:v1 .`,
		Args: app.RangeArgs(1, 2),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.file, "file", "f", "", "the Dockerfile, in place of that which the provenance names")
	fs.StringVar(&f.platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	fs.StringVar(&f.target, "target", "", "the stage to build")
	fs.StringArrayVar(&f.buildArgs, "build-arg", nil, "give an ARG a value: NAME=VALUE, or NAME to take it from here")
	fs.StringArrayVar(&f.labels, "label", nil, "label that the image was given: KEY=VALUE")
	fs.StringArrayVar(&f.named, "build-context", nil, "a context with a name: NAME=DIRECTORY|GIT|URL|docker-image://IMAGE")
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret for RUN --mount: id=ID[,src=FILE|,env=VARIABLE]")
	fs.StringArrayVar(&f.ssh, "ssh", nil, "ssh agent for RUN --mount: default, or ID[=SOCKET|KEY,…]")
	fs.StringVar(&f.network, "network", "", "network of RUN: default, none, host")
	fs.StringArrayVar(&f.allow, "allow", nil, "allow security.insecure, network.host, or device[=NAME] of RUN --device")
	fs.StringVar(&f.sourceDate, "source-date-epoch", "",
		"time of copied files and the latest of others: seconds, 2006-01-02T15:04:05Z, or git for that of the last commit")
	fs.StringVar(&f.lock, "lock", "",
		"take base images, repositories and URLs as this file says, in place of the provenance, and nothing else")
	fs.BoolVar(&f.times, "times", false, "compare also when files were modified")
	fs.BoolVar(&f.exact, "exact", false, "want the same manifest, byte for byte")
	fs.StringVar(&f.format, "format", "", "json, instead of lines")
	steps.Flag(fs, &f.progress)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing: the exit code says it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		steps.FromEnvironment(fs, &f.progress)
		err := f.verify(cmd.Context(), a, args)
		if exit := (*app.Exit)(nil); err != nil && !errors.As(err, &exit) {
			err = &app.Exit{Code: imagediff.CodeTrouble, Err: err}
		}
		return err
	}
	return cmd
}

func (f *flags) verify(ctx context.Context, a *app.App, args []string) error {
	if err := imagediff.CheckFormat(f.format); err != nil {
		return err
	}
	o, err := f.options(ctx, args)
	if err != nil {
		return err
	}
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	end, err := f.show(a, &o)
	if err != nil {
		return err
	}
	r, err := verify.Verify(ctx, eng, o)
	end()
	if err != nil {
		f.failed(a, err)
		return err
	}
	if !f.quiet {
		if err := f.report(a, r); err != nil {
			return err
		}
	}
	if !r.Same() || f.exact && !r.Exact {
		return &app.Exit{Code: app.CodeFailed}
	}
	return nil
}

// options are those of the build: what is left open is the provenance's.
func (f *flags) options(ctx context.Context, args []string) (o verify.Options, err error) {
	o.Image, o.Times = args[0], f.times
	if len(args) > 1 {
		o.Context = args[1]
	}
	o.Dockerfile, o.Target, o.Network, o.Allow = f.file, f.target, f.network, f.allow
	if f.platform != "" {
		if o.Platforms, err = builds.ParsePlatforms([]string{f.platform}); err != nil {
			return o, err
		}
	}
	if o.BuildArgs, err = buildflags.Assignments("--build-arg", f.buildArgs, os.LookupEnv); err != nil {
		return o, err
	}
	if o.Labels, err = buildflags.Assignments("--label", f.labels, nil); err != nil {
		return o, err
	}
	if o.Contexts, err = buildflags.NamedContexts(f.named, false); err != nil {
		return o, err
	}
	if o.SSH, err = buildflags.Agents(f.ssh); err != nil {
		return o, err
	}
	if o.Secrets, err = buildflags.Secrets(f.secrets); err != nil {
		return o, err
	}
	if f.lock != "" {
		if o.Lock, err = buildflags.Locked(f.lock); err != nil {
			return o, err
		}
	}
	if f.sourceDate != "" {
		o.Epoch, err = buildflags.SourceDate(ctx, f.sourceDate, o.Context, o.BuildArgs)
	}
	return o, err
}

// show wires the progress of the build to standard error.
func (f *flags) show(a *app.App, o *verify.Options) (end func(), err error) {
	event, b, err := steps.Show(a.Err, f.progress, f.quiet)
	o.Progress = event
	if err != nil || b == nil {
		return func() {}, err
	}
	return b.Close, nil
}

// failed shows where in the Dockerfile a build failed.
func (f *flags) failed(a *app.App, err error) {
	var at *builds.Error
	if !f.quiet && errors.As(err, &at) {
		steps.Excerpt(a.Err, at.Source, at.Location)
	}
}

// report prints what came of it.
func (f *flags) report(a *app.App, r verify.Result) error {
	if f.format == "json" {
		return imagediff.JSON(a.Out, r)
	}
	if r.Exact {
		fmt.Fprintf(a.Out, "%s was built again, byte for byte, as %s says\n", r.Before, r.By)
		return nil
	}
	if err := imagediff.Show(a.Out, r.Diff, ""); err != nil {
		return err
	}
	switch {
	case r.Same():
		fmt.Fprintf(a.Out, "built as %s says; the manifests differ (%s, %s): they have times of their own, or layers packed otherwise\n",
			r.By, r.Before, r.After)
	case len(r.Left) > 0:
		fmt.Fprintf(a.Out, "%s leaves out %s: give what there was by flags\n", r.By, strings.Join(r.Left, ", "))
	}
	return nil
}
