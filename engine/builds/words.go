package builds

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/export"
	"cove/builder/kept"
	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/source"
	"cove/builder/sshagent"
	"cove/builder/subrequest"
	"cove/engine/builds/failed"
	"cove/engine/builds/output"
	"cove/engine/builds/place"
	"cove/internal/platforms"
)

// What builds take, tell and return, for whoever shows a build and knows the engine alone.
type (
	// Result is what a build made, Exported one output of it.
	Result   = builder.Result
	Exported = export.Exported
	// Event is one step of progress, Vertex what it is about.
	Event  = builder.Event
	Vertex = plan.Vertex
	// Warning is advice about one line of a Dockerfile, Location a place in it.
	Warning  = builder.Warning
	Location = builder.Location
	// Error is a failure at one line of a Dockerfile, LintError a Dockerfile whose
	// author wants warnings to be errors, RunError a RUN that failed, with the end of
	// what it wrote.
	Error     = builder.Error
	LintError = builder.LintError
	RunError  = command.Error
	// OnError is what becomes of a RUN that fails, Terminal what a shell is opened at.
	OnError  = failed.OnError
	Terminal = failed.Terminal
	// ExitError is the code with which the program of a RUN ended.
	ExitError = builder.ExitError
	// Received is the Dockerfile of a client, Finder has its secrets and agents.
	Received = source.Received
	Finder   = command.Finder
	// Kept is what a client sent and what its next build begins with.
	Kept = kept.Dir
	// Agent signs for RUN --mount=type=ssh, Host is a name for its /etc/hosts.
	Agent = command.Agent
	Host  = plan.Host
	// Output is one place where an image goes, Packing how its layers are packed.
	Output  = output.Output
	Packing = output.Packing
	// Cache is a place to import a build cache from, or to export it to.
	Cache = place.Cache
	// Annotations are those of one output.
	Annotations = export.Annotations
	// Answer is that to a question about a Dockerfile, Lint the one with its warnings.
	Answer = subrequest.Answer
	Lint   = subrequest.Lint
	// Lock says what images, repositories and URLs stand for.
	Lock = lockfile.Lock
)

// The types of output.
const (
	Image     = output.Image
	Registry  = output.Registry
	OCI       = output.OCI
	Docker    = output.Docker
	Tar       = output.Tar
	Local     = output.Local
	CacheOnly = output.CacheOnly
)

// The types of caches.
const (
	CacheRegistry = place.Registry
	CacheLocal    = place.Local
	CacheInline   = place.Inline
	CacheLent     = place.Lent
	CacheGHA      = place.GHA
)

// The kinds of events.
const (
	Started  = event.Started
	Log      = event.Log
	Cached   = event.Cached
	Done     = event.Done
	Failed   = event.Failed
	Canceled = event.Canceled
)

// The questions about a Dockerfile.
const (
	AskOutline  = subrequest.AskOutline
	AskTargets  = subrequest.AskTargets
	AskLint     = subrequest.AskLint
	AskDescribe = subrequest.AskDescribe

	AnswerVersion = subrequest.Version
)

// AnswerJSON is an answer for programs, in BuildKit's shape.
func AnswerJSON(a Answer) ([]byte, error) { return subrequest.JSON(a) }

// ParseLock reads a lock file.
func ParseLock(text []byte) (*Lock, error) { return lockfile.Parse(text) }

// ParseAnnotation reads [LEVEL[PLATFORM][,LEVEL…]:]KEY=VALUE, as in export.
func ParseAnnotation(text string) (Annotations, error) { return export.ParseAnnotation(text) }

// ParsePlatforms reads OS/ARCH[/VARIANT] of each.
func ParsePlatforms(names []string) (all []ocispec.Platform, err error) {
	for _, name := range names {
		p, err := platforms.Parse(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// OpenAgent returns the agent of one socket, or of files of private keys.
func OpenAgent(paths []string) (Agent, error) { return sshagent.Open(paths) }

// Elsewhere says that a context is a repository or at a URL, and no directory here.
func Elsewhere(dir string) bool { return source.Elsewhere(dir) }

// Command is the command of a step that is a RUN, nil of any other.
func Command(v *Vertex) []string {
	if run, ok := v.Op.(*plan.Run); ok {
		return run.Args
	}
	return nil
}
