// Package buildcmd holds the command that builds images. It is apart from the
// other commands about images because it links the builder.
package buildcmd

import (
	"context"
	"errors"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/internal/cli/app"
	"cove/internal/cli/buildflags"
	"cove/internal/cli/callcmd"
	"cove/internal/cli/progress/steps"
	"cove/internal/cli/runflags"
)

// buildFlags are the flags of build.
type buildFlags struct {
	tags, buildArgs, labels, noCacheFilter, annotations, secrets, allow []string
	outputs, platforms, contexts, ssh, cacheFrom, cacheTo               []string
	file, target, network, progress, iidfile, metadata, compression     string
	sourceDate, onErr                                                   string
	level                                                               int
	noCache, pull, quiet, explain, check, push, load                    bool

	docker dockerFlags
	lock   buildflags.Lock
	run    runflags.BuildFlags

	asked    callcmd.Call  // what is asked in place of a build
	baking   bool          // the flags are those of a target of a bake file
	kept     digest.Digest // the image of a failed step's files
	hold     func(func())  // calls its argument while no progress is shown; nil without progress
	toStdout bool          // an output goes there, and nothing else may
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
	fs.StringArrayVar(&f.cacheFrom, "cache-from", nil,
		"one more cache: IMAGE, or type=registry,ref=IMAGE|local,src=DIRECTORY|gha[,mounts=true]")
	fs.StringArrayVar(&f.cacheTo, "cache-to", nil,
		"export the cache: type=registry,ref=IMAGE|local,dest=DIRECTORY|inline|gha[,mode=min|max][,mounts=true]")
	fs.StringSliceVar(&f.platforms, "platform", nil, "build for OS/ARCH[/VARIANT][,…]; several make an index")
	fs.StringArrayVarP(&f.outputs, "output", "o", nil,
		"where the image goes: type=image|registry|oci|docker|tar|local[,dest=…][,name=…][,push=true], or a directory")
	fs.BoolVar(&f.push, "push", false, "push the image: as --output type=registry")
	fs.BoolVar(&f.load, "load", false, "keep the image here: as --output type=image, and the default")
	fs.StringArrayVar(&f.labels, "label", nil, "label the image: KEY=VALUE")
	fs.StringArrayVar(&f.annotations, "annotation", nil,
		"annotate: [manifest|index|manifest-descriptor|index-descriptor[PLATFORM]:]KEY=VALUE")
	fs.StringVar(&f.network, "network", "", "network of RUN: default, none, host")
	f.run.Register(fs)
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret for RUN --mount: id=ID[,src=FILE|,env=VARIABLE]")
	fs.StringArrayVar(&f.ssh, "ssh", nil, "ssh agent for RUN --mount: default, or ID[=SOCKET|KEY,…]")
	fs.StringArrayVar(&f.contexts, "build-context", nil,
		"one more context: NAME=DIRECTORY|GIT|URL|docker-image://IMAGE|oci-layout://DIRECTORY[:TAG]")
	fs.StringArrayVar(&f.allow, "allow", nil, "allow security.insecure, network.host, or device[=NAME] of RUN --device")
	fs.StringVar(&f.compression, "compression", "", "compression of new layers: gzip, zstd, estargz, uncompressed")
	fs.IntVar(&f.level, "compression-level", 0, "its level: 1 to 9 for gzip and estargz, 1 to 22 for zstd")
	fs.StringVar(&f.sourceDate, "source-date-epoch", "",
		"time of copied files and the latest of others: seconds, 2006-01-02T15:04:05Z, or git for that of the last commit")
	fs.StringVar(&f.iidfile, "iidfile", "", "write the image id to a file")
	fs.StringVar(&f.metadata, "metadata-file", "", "write what was built to a file, as JSON with buildx's keys")
	steps.Flag(fs, &f.progress)
	fs.BoolVar(&f.explain, "explain", false, "say why a step was not cached")
	fs.StringVar(&f.onErr, "on-error", "",
		"when a RUN fails: shell opens one where it ran, save keeps its files as an image")
	fs.BoolVar(&f.check, "check", false, "as --call check: only check the Dockerfile; exit with 1 if there are warnings")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the image id")
	f.lock.Register(fs)
	f.docker.register(fs)
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
  build -t app https://git.example.com/team/app.git#v1.2:docker
  build -t registry.example.com/app:v1 --platform linux/amd64,linux/arm64 --push .
  build --cache-from reg.example.com/app:cache --cache-to type=registry,ref=reg.example.com/app:cache,mode=max .
  build -o out . && build -o type=oci,dest=app.tar .
  build --check .
  build --call outline,format=json .`,
		Args: app.ExactArgs(1),
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		steps.FromEnvironment(cmd.Flags(), &f.progress)
		o, err := f.options(cmd.Context(), a, args[0])
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if f.asked.Asks() {
			if err := f.asked.Run(cmd.Context(), a, eng, []builds.Options{o}); err != nil {
				return f.failed(a, err, false)
			}
			return nil
		}
		end, err := f.showProgress(a, &o)
		if err != nil {
			return err
		}
		result, err := builds.Build(cmd.Context(), eng, o)
		end()
		if err != nil {
			defer f.tellKept(a)
			return f.failed(a, err, o.Progress != nil)
		}
		return f.report(a, result)
	}
	return cmd
}

// failed shows where in the Dockerfile a build failed, and what its command wrote
// if no progress has shown that.
func (f *buildFlags) failed(a *app.App, err error, shown bool) error {
	if !shown {
		steps.Output(a.Err, err)
	}
	annotate(a, err)
	if f.quiet || f.progress == "quiet" {
		return err
	}
	var lint *builds.LintError
	if errors.As(err, &lint) {
		steps.Warnings(a.Err, lint.Warnings)
	}
	var at *builds.Error
	if errors.As(err, &at) {
		steps.Excerpt(a.Err, at.Source, at.Location)
	}
	return err
}

func (f *buildFlags) options(ctx context.Context, a *app.App, dir string) (o builds.Options, err error) {
	o.Names, o.Pull, o.Squash = f.tags, f.pull, f.docker.squash
	o.Context, o.Dockerfile, o.Stdin, o.Target = dir, f.file, a.In, f.target
	o.NoCache, o.NoCacheFilter, o.Network, o.Allow = f.noCache, f.noCacheFilter, f.network, f.allow
	if f.network == "default" {
		o.Network = ""
	}
	if err := f.docker.check(); err != nil {
		return o, err
	}
	if f.asked, err = callcmd.Parse(f.docker.call, f.check); err != nil {
		return o, err
	}
	if o.Lock, err = f.lock.Read(f.pull); err != nil {
		return o, err
	}
	if o.Attest, err = buildflags.Attest(f.docker.attest, f.docker.provenance, f.docker.sbom); err != nil {
		return o, err
	}
	if err := f.limits(&o); err != nil {
		return o, err
	}
	if o.OnError, err = f.onError(a); err != nil {
		return o, err
	}
	if o.BuildArgs, err = buildflags.Assignments("--build-arg", f.buildArgs, os.LookupEnv); err != nil {
		return o, err
	}
	buildflags.Proxies(o.BuildArgs, a.Docker())
	if o.Labels, err = buildflags.Assignments("--label", f.labels, nil); err != nil {
		return o, err
	}
	if err := f.readOutputs(a, &o); err != nil {
		return o, err
	}
	if o.CacheFrom, err = buildflags.Caches(f.cacheFrom, false); err != nil {
		return o, err
	}
	if o.CacheTo, err = buildflags.Caches(f.cacheTo, true); err != nil {
		return o, err
	}
	if o.Contexts, err = buildflags.NamedContexts(f.contexts, f.baking); err != nil {
		return o, err
	}
	if o.SSH, err = buildflags.Agents(f.ssh); err != nil {
		return o, err
	}
	if o.Secrets, err = buildflags.Secrets(f.secrets); err != nil {
		return o, err
	}
	if o.Platforms, err = builds.ParsePlatforms(f.platforms); err != nil {
		return o, err
	}
	o.Epoch, err = buildflags.SourceDate(ctx, f.sourceDate, dir, o.BuildArgs)
	return o, err
}

// limits reads what a RUN may take.
func (f *buildFlags) limits(o *builds.Options) error {
	given, err := f.run.Parse()
	for _, h := range given.AddHosts {
		o.Hosts = append(o.Hosts, builds.Host{Name: h.Name, IP: h.IP})
	}
	o.Resources, o.CgroupParent = given.Resources, given.CgroupParent
	return err
}

// showProgress wires the build's events to standard error.
func (f *buildFlags) showProgress(a *app.App, o *builds.Options) (end func(), err error) {
	event, b, err := steps.Show(a.Err, f.progress, f.quiet)
	o.Progress = event
	if err != nil || b == nil {
		return func() {}, err
	}
	b.Explain = f.explain
	endGroup := group(a, "Building "+o.Context)
	f.hold = b.Hold
	return func() { b.Close(); endGroup() }, nil
}
