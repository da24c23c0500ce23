// Package provenance says how an image was made, as BuildKit says it: a predicate of
// SLSA provenance, v1 or v0.2 (https://slsa.dev/spec/v1.0/provenance,
// https://slsa.dev/provenance/v0.2), about a build that is known as a plan. It is a
// function of its input alone.
package provenance

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/secret"
	"cove/errdefs"
	"cove/internal/platforms"
)

// The types of predicates.
const (
	TypeV1  = "https://slsa.dev/provenance/v1"
	TypeV02 = "https://slsa.dev/provenance/v0.2"
)

// The types of builds, which name the shape of what is BuildKit's own in a predicate.
const (
	buildTypeV1  = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
	buildTypeV02 = "https://mobyproject.org/buildkit@v1"
)

// frontend is what BuildKit calls a build of a Dockerfile.
const frontend = "dockerfile.v0"

// Options choose what a predicate says.
type Options struct {
	// Max adds every step, the Dockerfile, arguments and labels, and the ids of secrets
	// and agents; without it the predicate is for everybody to read.
	Max bool
	// V02 asks for the older shape.
	V02 bool
	// BuilderID names who built; Reproducible is the word of whoever builds.
	BuilderID    string
	Reproducible bool
	// InlineOnly leaves the predicate out where no image is made.
	InlineOnly bool
}

// Parse reads the options of --attest type=provenance, by buildx's keys.
func Parse(options map[string]string) (o Options, err error) {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		value := options[key]
		switch key {
		case "mode":
			if value != "min" && value != "max" && value != "full" {
				return o, errdefs.Errorf(errdefs.ErrInvalid, "mode=%s: want min or max", value)
			}
			o.Max = value != "min"
		case "version":
			if value != "v1" && value != "v0.2" {
				return o, errdefs.Errorf(errdefs.ErrInvalid, "version=%s: want v1 or v0.2", value)
			}
			o.V02 = value == "v0.2"
		case "builder-id":
			o.BuilderID = value
		case "reproducible", "inline-only":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return o, errdefs.Errorf(errdefs.ErrInvalid, "%s=%s: want true or false", key, value)
			}
			if key == "reproducible" {
				o.Reproducible = on
			} else {
				o.InlineOnly = on
			}
		default:
			return o, errdefs.Errorf(errdefs.ErrUnsupported, "provenance takes no %s", key)
		}
	}
	return o, nil
}

// Build is what a predicate is about: one image of one build.
type Build struct {
	// ID names the build; Started and Finished are when it was.
	ID                string
	Started, Finished time.Time
	// Builder is the platform of whoever built.
	Builder ocispec.Platform
	// Context is a git repository or a URL, or a directory whose name nobody needs;
	// Commit is that of the repository.
	Context, Commit string
	// Local are the names of the contexts that are files of the builder, Contexts the
	// repositories and URLs of others that have names.
	Local, Contexts []string
	// Dockerfile is the text, Name its name in the context.
	Dockerfile []byte
	Name       string
	// Args are the options of the build by BuildKit's names: "build-arg:KEY", "target".
	Args map[string]string
	// Graph is the plan, Image the one of its targets.
	Graph *plan.Graph
	Image plan.Image
	// Layers are those that a step made.
	Layers map[plan.ID][]ocispec.Descriptor
	// Lock knows at which commits repositories were, and what URLs gave.
	Lock *lockfile.Lock
	// Secrets mask what a text would give away.
	Secrets secret.Set
}

// Type is that of the predicate that the options ask for.
func (o Options) Type() string {
	if o.V02 {
		return TypeV02
	}
	return TypeV1
}

// Predicate is the JSON of the predicate about a build.
func (b Build) Predicate(o Options) (json.RawMessage, error) {
	p := b.v1(o)
	var v any = p
	if o.V02 {
		v = p.toV02()
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "provenance: %w", err)
	}
	return text, nil
}

// v1 makes the predicate in its newer shape.
func (b Build) v1(o Options) predicateV1 {
	steps := b.reachable()
	p := predicateV1{
		BuildDefinition: buildDefinition{
			BuildType:            buildTypeV1,
			ResolvedDependencies: resolved(b.materials(steps)),
			External:             external{ConfigSource: b.configSource(), Request: b.request(steps, o.Max)},
			Internal:             internal{BuilderPlatform: platforms.Format(b.Builder)},
		},
		RunDetails: runDetails{
			Builder: builderID{ID: o.BuilderID},
			Metadata: metadata{
				InvocationID: b.ID, StartedOn: b.Started.UTC(), FinishedOn: b.Finished.UTC(),
				Completeness: completeness{Request: o.Max || !b.hidden(), Dependencies: len(b.Local) == 0},
				Reproducible: o.Reproducible,
				Hermetic:     len(b.Local) == 0 && !usesNetwork(steps),
			},
		},
	}
	if o.Max {
		p.BuildDefinition.Internal.BuildConfig = b.buildConfig(steps)
		p.RunDetails.Metadata.BuildKit = b.details(steps)
	}
	return p
}

// reachable are the vertices that the image is made of, in the order of the plan.
func (b Build) reachable() (steps []*plan.Vertex) {
	needed := map[plan.ID]bool{}
	var visit func(id plan.ID)
	visit = func(id plan.ID) {
		if id == plan.None || needed[id] {
			return
		}
		needed[id] = true
		visit(b.Graph.Vertices[id].Parent)
		for _, in := range b.Graph.Vertices[id].Inputs {
			visit(in)
		}
	}
	visit(b.Image.RootFS)
	for _, v := range b.Graph.Vertices {
		if needed[v.ID] {
			steps = append(steps, v)
		}
	}
	return steps
}

// Materials are what the image was made of, but for files of the builder.
func (b Build) Materials() []Material { return b.materials(b.reachable()) }

// configSource is where the Dockerfile came from.
func (b Build) configSource() configSource {
	c := configSource{Path: b.Name}
	if b.Context != "" {
		c.URI = secret.MaskURL(b.Context)
		if c.Digest = setOf(b.Lock.Sum(b.Context)); b.Commit != "" {
			c.Digest = commitDigest(b.Commit)
		}
	}
	return c
}

// hidden says whether there is an argument that a short predicate leaves out.
func (b Build) hidden() bool {
	for key := range b.Args {
		if private(key) {
			return true
		}
	}
	return false
}

// private says whether an argument may be nobody's business.
func private(key string) bool {
	return strings.HasPrefix(key, "build-arg:") || strings.HasPrefix(key, "label:")
}

// request is what the build was asked for.
func (b Build) request(steps []*plan.Vertex, all bool) parameters {
	p := parameters{Frontend: frontend}
	for key, value := range b.Args {
		if private(key) && !all {
			continue
		}
		if p.Args == nil {
			p.Args = map[string]string{}
		}
		_, name, _ := strings.Cut(key, ":")
		p.Args[key] = b.Secrets.MaskArg(name, value)
	}
	for _, name := range b.Local {
		p.Locals = append(p.Locals, localSource{Name: name})
	}
	if all {
		p.Secrets, p.SSH = mounts(steps, "secret"), mounts(steps, "ssh")
	}
	return p
}

// mounts are the ids of secrets or agents that commands were given.
func mounts(steps []*plan.Vertex, kind string) (all []mountID) {
	at := map[string]int{}
	for _, v := range steps {
		run, ok := v.Op.(*plan.Run)
		if !ok {
			continue
		}
		for _, m := range run.Mounts {
			if m.Type != kind {
				continue
			}
			i, known := at[m.ID]
			if !known {
				i, at[m.ID] = len(all), len(all)
				all = append(all, mountID{ID: m.ID, Optional: true})
			}
			all[i].Optional = all[i].Optional && !m.Required
		}
	}
	slices.SortFunc(all, func(a, b mountID) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// usesNetwork says whether a command could reach the network.
func usesNetwork(steps []*plan.Vertex) bool {
	return slices.ContainsFunc(steps, func(v *plan.Vertex) bool {
		run, ok := v.Op.(*plan.Run)
		return ok && run.Network != "none"
	})
}

// digestSet is a digest as SLSA has it.
type digestSet map[string]string

func setOf(d digest.Digest) digestSet {
	if d == "" {
		return nil
	}
	return digestSet{d.Algorithm().String(): d.Encoded()}
}

// commitDigest is the hash of a commit, by its length.
func commitDigest(commit string) digestSet {
	if len(commit) == 64 {
		return digestSet{"sha256": commit}
	}
	return digestSet{"sha1": commit}
}
