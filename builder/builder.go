// Package builder turns a Dockerfile and a context into an OCI image.
//
// builder/dockerfile parses (BuildKit's own parser) into a plan, a graph of
// vertices with content-addressed keys; builder/solve executes the plan with
// builder/buildctx (the files), builder/cache (what is known already) and
// package layers; builder/export writes config and manifest. How a container
// is made and where base images come from is wired in from above, through
// Executor and Resolver.
package builder

import (
	"context"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/export"
	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/provenance"
	"cove/builder/remotecache"
	"cove/builder/solve"
	"cove/builder/source"
	"cove/builder/subrequest"
	"cove/content"
	"cove/errdefs"
	"cove/layers/snapshot"
)

// The contracts that live where they are used, under the names that the rooms
// above know.
type (
	// Base is an image to build on.
	Base = plan.Base
	// Warning is advice about one line of a Dockerfile.
	Warning = plan.Warning
	// Location is a place in a Dockerfile.
	Location = plan.Location
	// Executor runs a command on a root filesystem.
	Executor = command.Executor
	// ExecRequest is one RUN.
	ExecRequest = command.Request
	// ExecMount is one extra mount of a RUN.
	ExecMount = command.Mount
	// ExitError is a RUN whose program ended with a code other than 0.
	ExitError = command.ExitError
	// Event is one step of progress.
	Event = event.Event
	// Error is a failure at one line of a Dockerfile.
	Error = plan.Error
	// LintError is a Dockerfile whose author wants warnings to be errors.
	LintError = plan.LintError
)

// The beginnings of named contexts that are no files.
const (
	// imageContext is an image of a registry or here.
	imageContext = "docker-image://"
	// LayoutContext is an image in an OCI layout; the Resolver is given the whole.
	LayoutContext = "oci-layout://"
	// TargetContext is what another request of the same build makes.
	TargetContext = "target:"
)

// Resolver finds the image of a FROM or of COPY --from. It is safe for
// concurrent use.
type Resolver interface {
	// Resolve needs only the manifest and config to be local afterwards.
	Resolve(ctx context.Context, name string, platform ocispec.Platform) (Base, error)
	solve.Unpacker
}

// Config wires a Builder. Content, Snapshots, Resolver, Executor and Root are
// required.
type Config struct {
	Content   content.Store
	Snapshots snapshot.Snapshotter
	Resolver  Resolver
	Executor  Executor
	// Root is the directory of the builder's own state: the cache's records,
	// the stat cache, cache mounts. It may be deleted when no build runs.
	Root string
	// Cache remembers what steps made; nil is a directory of Root.
	Cache solve.Cache
	// Parallel bounds how many vertices are worked on at once; 0 is the number of CPUs.
	Parallel int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Request is one build. The zero value of every field but Context is useful.
type Request struct {
	// Name tells requests of one BuildAll apart: it begins the names of their steps, and
	// others build on it by TargetContext.
	Name string
	// Context is a directory, a git repository, or a URL or "-" (for Stdin) of a tar
	// archive, plain or compressed.
	Context string
	// Contexts are more of them, by name, which COPY --from, FROM and RUN --mount
	// find before a stage or an image of that name. A value may also be
	// "docker-image://NAME", "oci-layout://DIRECTORY[:TAG|@DIGEST]", or "target:NAME"
	// for another request of the same BuildAll.
	Contexts map[string]string
	// Guarded says that somebody else chose Context or one of Contexts: then the user's
	// own configuration of git is not for them, and neither are addresses of this machine.
	Guarded bool
	// Dockerfile is a path, relative to the context; "" is "Dockerfile", "-" reads it from Stdin.
	Dockerfile string
	Stdin      io.Reader
	// Received is the Dockerfile of a client that sent its contexts for this build
	// alone; nil finds it as Dockerfile says.
	Received *source.Received
	// Target is the stage to build; "" is the last.
	Target string
	// BuildArgs give values to ARG.
	BuildArgs map[string]string
	// NoCache executes everything; NoCacheFilter the stages named.
	NoCache       bool
	NoCacheFilter []string
	// Platforms are those to build for, an image each; none is this machine's.
	Platforms []ocispec.Platform
	// Labels are added to the config of each image.
	Labels map[string]string
	// Network is the default of RUN --network: "", "none" or "host".
	Network string
	// Hosts are more names for the /etc/hosts of every RUN.
	Hosts []plan.Host
	// Secrets are the values of RUN --mount=type=secret, by id.
	Secrets map[string][]byte
	// SSH are the agents of RUN --mount=type=ssh, by id.
	SSH map[string]command.Agent
	// Finder is asked for secrets and agents that a Dockerfile mounts and that are
	// not among these; nil has none.
	Finder command.Finder
	// Executor runs the commands; nil is that of the builder.
	Executor Executor
	// Allow lists entitlements: "security.insecure", "network.host", "device", "device=NAME".
	Allow []string
	// Epoch is the time of copied files, config and history, and the latest of
	// what a RUN writes and an archive holds; the build argument
	// SOURCE_DATE_EPOCH sets it too. Without it copied files keep their own
	// times, and config and history have those at which layers were made.
	Epoch *time.Time
	// CacheFrom are caches elsewhere that are asked after the one here, CacheTo is
	// where this build's is exported. InlineCache puts it into the image's config.
	CacheFrom   []remotecache.From
	CacheTo     []remotecache.To
	InlineCache bool
	// Compression of new layers: "" or "gzip", "zstd", "estargz", "none"; Level is that of the
	// algorithm, 0 for the usual one.
	Compression string
	Level       int
	// ForceCompression packs layers of the base and of the cache anew that are packed otherwise.
	ForceCompression bool
	// Squash makes one layer over the base of those that the steps make.
	Squash bool
	// ID names the build in documents about it; Attest are those that are made.
	ID     string
	Attest Attest
	// Lock says what images, repositories and URLs stand for, and is told what they were
	// found to be; nil lets them be what they are now. Of several requests it is the
	// first's.
	Lock *lockfile.Lock
	// Exporters are where the image goes; none is the content store alone.
	Exporters []export.Exporter
	// OnFailure, if not nil, is given the first RUN whose command fails, while its files
	// and mounts are there. Of several requests it is the first's.
	OnFailure func(context.Context, command.Failed) error
	// Progress is told every event, one at a time; it may be nil.
	Progress func(Event)

	check   bool                // only plan, and leave warnings warnings
	outline *subrequest.Outline // is filled in; nil is not wanted
}

// Result is a finished build. Nothing names its content yet: give it a name,
// then call Release.
type Result struct {
	// Exported are what the exporters of the request made, in their order.
	Exported []export.Exported
	Warnings []Warning
	// About says how each image was made, in the order of the platforms.
	About []provenance.Build
	// Steps counts the vertices; Cached those whose result was known.
	Steps, Cached int
	// Lease holds the image's blobs and snapshots.
	Lease content.Lease
}

// Image is the first of Exported that is an image or an index; it is zero when
// files alone were exported.
func (r *Result) Image() export.Exported {
	for _, e := range r.Exported {
		if e.Target.Digest != "" {
			return e
		}
	}
	return export.Exported{}
}

// Builder builds images. It is safe for concurrent use, and several processes
// may have one on the same Root.
type Builder struct{ cfg Config }

// New returns a Builder.
func New(cfg Config) (*Builder, error) {
	if cfg.Content == nil || cfg.Snapshots == nil || cfg.Resolver == nil || cfg.Executor == nil || cfg.Root == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"builder: Content, Snapshots, Resolver, Executor and Root are all needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Builder{cfg: cfg}, nil
}
