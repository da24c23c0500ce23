// Package buildcmd holds the command that builds images. It is apart from the
// other commands about images because it links the builder.
package buildcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/builder"
	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress"
	"cove/internal/platforms"
)

// buildFlags are the flags of build.
type buildFlags struct {
	tags, buildArgs, labels, noCacheFilter, annotations, secrets, allow []string
	file, target, network, platform, progress, iidfile, compression     string
	sourceDate                                                          string
	noCache, pull, quiet, explain, check                                bool
}

func (f *buildFlags) register(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringArrayVarP(&f.tags, "tag", "t", nil, "name the image: NAME[:TAG]")
	fs.StringVarP(&f.file, "file", "f", "", "the Dockerfile (default: CONTEXT/Dockerfile; - for standard input)")
	fs.StringArrayVar(&f.buildArgs, "build-arg", nil, "give an ARG a value: NAME=VALUE, or NAME to take it from here")
	fs.StringVar(&f.target, "target", "", "the stage to build")
	fs.BoolVar(&f.noCache, "no-cache", false, "execute every step")
	fs.StringArrayVar(&f.noCacheFilter, "no-cache-filter", nil, "execute every step of these stages")
	fs.BoolVar(&f.pull, "pull", false, "ask the registry for the base images even if they are here")
	fs.StringVar(&f.platform, "platform", "", "build for OS/ARCH[/VARIANT]")
	fs.StringArrayVar(&f.labels, "label", nil, "label the image: KEY=VALUE")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotate the manifest: KEY=VALUE")
	fs.StringVar(&f.network, "network", "", "network of RUN: default, none, host")
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret for RUN --mount: id=ID[,src=FILE|,env=VARIABLE]")
	fs.StringArrayVar(&f.allow, "allow", nil, "allow security.insecure or network.host")
	fs.StringVar(&f.compression, "compression", "", "compression of new layers: gzip, zstd, none")
	fs.StringVar(&f.sourceDate, "source-date-epoch", "",
		"time of copied files and the latest of others: seconds, 2006-01-02T15:04:05Z, or git for that of the last commit")
	fs.StringVar(&f.iidfile, "iidfile", "", "write the image id to a file")
	fs.StringVar(&f.progress, "progress", "auto", "auto, tty, plain or quiet")
	fs.BoolVar(&f.explain, "explain", false, "say why a step was not cached")
	fs.BoolVar(&f.check, "check", false, "only check the Dockerfile; exit with 1 if there are warnings")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the image id")
}

// Build builds an image.
func Build(a *app.App) *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build [flags] CONTEXT",
		Short: "Build an image from a Dockerfile",
		Example: `  build -t team/app:v1 .
  build --target test --build-arg VERSION=1.2 -f docker/Dockerfile .
  build -t app - < context.tar.gz
  build --check .`,
		Args: app.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(cmd.Context(), a, args[0])
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if f.check {
			return f.onlyCheck(cmd.Context(), a, eng, o)
		}
		end, err := f.showProgress(a, &o)
		if err != nil {
			return err
		}
		result, err := builds.Build(cmd.Context(), eng, o)
		end()
		if err != nil {
			return f.failed(a, err, o.Progress != nil)
		}
		return f.report(a, result)
	}
	return cmd
}

// onlyCheck prints the warnings of a Dockerfile.
func (f *buildFlags) onlyCheck(ctx context.Context, a *app.App, eng builds.Engine, o builds.Options) error {
	checked, err := builds.Check(ctx, eng, o)
	if err != nil {
		return f.failed(a, err, false)
	}
	progress.Check(a.Out, checked.Dockerfile, checked.Warnings)
	if len(checked.Warnings) > 0 {
		return &app.Exit{Code: app.CodeFailed}
	}
	return nil
}

// failed shows where in the Dockerfile a build failed, and what its command wrote
// if no progress has shown that.
func (f *buildFlags) failed(a *app.App, err error, shown bool) error {
	if !shown {
		progress.Output(a.Err, err)
	}
	if f.quiet || f.progress == "quiet" {
		return err
	}
	var lint *builder.LintError
	if errors.As(err, &lint) {
		progress.Warnings(a.Err, lint.Warnings)
	}
	var at *builder.Error
	if errors.As(err, &at) {
		progress.Excerpt(a.Err, at.Source, at.Location)
	}
	return err
}

func (f *buildFlags) options(ctx context.Context, a *app.App, dir string) (o builds.Options, err error) {
	o.Names, o.Pull = f.tags, f.pull
	o.Request = builder.Request{
		Context: dir, Dockerfile: f.file, Stdin: a.In, Target: f.target,
		NoCache: f.noCache, NoCacheFilter: f.noCacheFilter, Network: f.network, Allow: f.allow,
		Compression: f.compression,
	}
	if f.network == "default" {
		o.Network = ""
	}
	if o.BuildArgs, err = assignments("--build-arg", f.buildArgs, os.LookupEnv); err != nil {
		return o, err
	}
	if o.Labels, err = assignments("--label", f.labels, nil); err != nil {
		return o, err
	}
	if o.Annotations, err = assignments("--annotation", f.annotations, nil); err != nil {
		return o, err
	}
	if o.Secrets, err = readSecrets(f.secrets); err != nil {
		return o, err
	}
	if f.platform != "" {
		if o.Platform, err = platforms.Parse(f.platform); err != nil {
			return o, err
		}
	}
	o.Epoch, err = sourceDate(ctx, f.sourceDate, dir, o.BuildArgs)
	return o, err
}

// assignments reads KEY=VALUE; a bare KEY takes its value from lookup, and is
// left out when it has none there.
func assignments(flag string, values []string, lookup func(string) (string, bool)) (map[string]string, error) {
	m := make(map[string]string, len(values))
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if key == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s %q: want KEY=VALUE", flag, v)
		}
		if !ok && lookup != nil {
			if value, ok = lookup(key); !ok {
				continue
			}
		}
		m[key] = value
	}
	return m, nil
}

// readSecrets reads the values of --secret, by their ids.
func readSecrets(flags []string) (map[string][]byte, error) {
	secrets := make(map[string][]byte, len(flags))
	for _, f := range flags {
		id, value, err := readSecret(f)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", f, err)
		}
		secrets[id] = value
	}
	return secrets, nil
}

// readSecret reads id=ID,src=FILE or id=ID,env=VARIABLE. Without either, the
// variable of the id's name is taken, or else the file. As with docker, type=file
// or type=env says which of the two src names.
func readSecret(flag string) (id string, value []byte, err error) {
	var kind, src, env string
	keys := map[string]*string{"id": &id, "type": &kind, "src": &src, "source": &src, "env": &env}
	for _, field := range strings.Split(flag, ",") {
		k, v, _ := strings.Cut(field, "=")
		to, ok := keys[k]
		switch {
		case !ok:
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "unknown key %q: want id=ID[,src=FILE|,env=VARIABLE]", k)
		case v == "":
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s has no value", k)
		case *to != "":
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is given twice", k)
		}
		*to = v
	}
	switch {
	case id == "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "no id: want id=ID[,src=FILE|,env=VARIABLE]")
	case src != "" && env != "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "both a file and a variable: give one of them")
	case kind != "" && kind != "file" && kind != "env":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "type %q: want file or env", kind)
	case kind == "file" && env != "":
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "type=file takes its file from src, not env")
	case kind == "env" && env == "":
		src, env = "", cmp.Or(src, id)
	case src == "" && env == "":
		if _, ok := os.LookupEnv(id); ok && kind != "file" {
			env = id
		} else {
			src = id
		}
	}
	if env != "" {
		text, ok := os.LookupEnv(env)
		if !ok {
			return "", nil, errdefs.Errorf(errdefs.ErrNotFound, "the variable %s is not set", env)
		}
		return id, []byte(text), nil
	}
	if value, err = os.ReadFile(src); err != nil {
		return "", nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	return id, value, nil
}

// showProgress wires the build's events to standard error.
func (f *buildFlags) showProgress(a *app.App, o *builds.Options) (end func(), err error) {
	screen := progress.ScreenOf(a.Err)
	plain := false
	switch {
	case f.quiet || f.progress == "quiet":
		return func() {}, nil
	case f.progress == "plain":
		plain = true
	case f.progress == "tty" && screen.Size == nil:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--progress tty: standard error is not a terminal")
	case f.progress != "auto" && f.progress != "tty":
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--progress %s: want auto, tty, plain or quiet", f.progress)
	}
	b := progress.NewBuild(screen, plain, time.Now)
	b.Explain = f.explain
	o.Progress = b.Event
	return b.Close, nil
}

func (f *buildFlags) report(a *app.App, result *builder.Result) error {
	id := result.ConfigDigest
	if f.iidfile != "" {
		if err := atomicfile.WriteFile(f.iidfile, []byte(id), 0o644, atomicfile.Durable); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	if f.quiet {
		fmt.Fprintln(a.Out, id)
		return nil
	}
	progress.Warnings(a.Err, result.Warnings)
	fmt.Fprintln(a.Out, builtLine(id, f.tags))
	return nil
}

func builtLine(id digest.Digest, tags []string) string {
	line := "Successfully built " + output.ID(id, false)
	for _, t := range tags {
		line += "\nSuccessfully tagged " + output.Familiar(t)
	}
	return line
}
