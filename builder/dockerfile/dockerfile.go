// Package dockerfile turns a Dockerfile into a plan.Graph. It is the only
// package that knows BuildKit's parser.
//
// The parser gives typed instructions; what they mean together is here: which
// stages are needed, what an ARG is worth where, what an instruction changes
// in the image's config, and which vertex it becomes. Base images are asked
// for their config, because it decides what variables expand to; no layer is
// touched.
package dockerfile

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/bases"
	"cove/builder/dockerfile/lint"
	"cove/builder/dockerfile/outline"
	"cove/builder/dockerfile/syntax"
	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/builder/subrequest"
	"cove/errdefs"
)

// Options say what to plan.
type Options struct {
	// Name is the file's name in messages; "" is "Dockerfile".
	Name string
	// Target is the stage to build, by name or number; "" is the last.
	Target    string
	BuildArgs map[string]string
	// Platform is the one to build for, Build the one that builds.
	Platform, Build ocispec.Platform
	// Prefix begins the name of each step, before that of its stage: the platform,
	// where there are several.
	Prefix values.Prefix
	// Labels are added to the image's.
	Labels map[string]string
	// Network is what RUN has without --network: "" or "default", "none", "host".
	Network string
	// Hosts are more names for the /etc/hosts of every RUN.
	Hosts []plan.Host
	// Allow lists entitlements: "network.host", "security.insecure", "device", "device=NAME".
	Allow         []string
	NoCache       bool
	NoCacheFilter []string
	// Epoch is the time of every history line; nil leaves them to the exporter.
	Epoch   *time.Time
	Resolve bases.ResolveFunc
	// Contexts are what names stand for, that are then no stages and images: NAME
	// or NAME::PLATFORM.
	Contexts bases.Contexts
	// Ignored says that .dockerignore excludes a path, cleaned and relative to
	// the context, "" for the context itself; it may be nil.
	Ignored func(path string) bool
	// Check leaves warnings warnings, even where the author wants errors.
	Check bool
	// Outline, if it is not nil, is told what the target can be given.
	Outline *subrequest.Outline
}

// Plan parses src and returns what to do. Its errors are *plan.Error with the
// line and the instruction. When Check is set, a graph with the warnings comes with them.
func Plan(ctx context.Context, src []byte, opt Options) (*plan.Graph, error) {
	if opt.Name == "" {
		opt.Name = "Dockerfile"
	}
	if err := values.CheckOptions(opt.Network, opt.Allow); err != nil {
		return nil, plan.At(plan.Location{File: opt.Name}, err)
	}
	c := &converter{
		opt: opt, graph: &plan.Graph{}, source: syntax.NewSource(opt.Name, src),
		images: bases.NewResolver(ctx, opt.resolve),
	}
	defer c.images.Close()
	err := c.plan()
	if err != nil && !opt.Check {
		return nil, err
	}
	if c.lint != nil {
		c.graph.Warnings = c.lint.Warnings()
	}
	return c.graph, err
}

// plan converts the Dockerfile into the graph.
func (c *converter) plan() error {
	f, err := c.parse()
	if err != nil {
		return err
	}
	c.lex = shell.NewLex(f.Escape)
	if c.global, c.declared, err = c.argDefaults(f, c.opt.BuildArgs); err != nil {
		return err
	}
	c.lintDefaults(f)
	if err := c.addStages(f); err != nil {
		return err
	}
	if err := c.checkFilter(); err != nil {
		return err
	}
	target, err := c.target()
	if err != nil {
		return err
	}
	st, err := c.convertAll(target)
	if err != nil {
		return err
	}
	if err := c.lint.Err(); err != nil && !c.opt.Check {
		return err
	}
	c.warnUnusedArgs(f)
	c.finish(st)
	if c.opt.Outline != nil {
		target.asks.Write(c.opt.Outline)
	}
	return nil
}

// convertAll converts the target and what it needs; for a check without a target, every
// stage.
func (c *converter) convertAll(target *stage) (*state, error) {
	seen := map[*stage]bool{}
	c.prefetch(target, seen)
	if !c.opt.Check || c.opt.Target != "" || c.opt.Outline != nil {
		return c.convert(target)
	}
	for _, st := range c.stages {
		c.prefetch(st, seen)
	}
	for _, st := range c.stages {
		if _, err := c.convert(st); err != nil {
			return nil, err
		}
	}
	return target.done, nil
}

// Targets lists the stages of a Dockerfile.
func Targets(name string, src []byte) (*subrequest.Targets, error) {
	c := &converter{opt: Options{Name: name, Check: true}, source: syntax.NewSource(name, src)}
	f, err := c.parse()
	if err != nil {
		return nil, err
	}
	return outline.Targets(src, f.Stages), nil
}

// converter holds what the stages of one Dockerfile share.
type converter struct {
	opt    Options
	source *syntax.Source
	lex    *shell.Lex
	lint   *lint.Linter
	graph  *plan.Graph
	global *vars.Set
	stages []*stage
	byName map[string]*stage
	images *bases.Resolver
	// declared are the ARGs before the first FROM.
	declared map[string]vars.Declaration
	onArgs   []string               // names of the ARGs that were converted, of ONBUILD too
	from     map[string]plan.ID     // vertices of whole images, for COPY --from=IMAGE
	builds   map[string]*plan.Image // what contexts that are builds make
}

// stage is one FROM and what follows it.
type stage struct {
	instructions.Stage
	index    int
	display  string
	base     *stage // the earlier stage that FROM names, if it does
	image    string // else the image, "scratch" for none
	files    string // or the context of this name
	build    string // or what the build of this name makes
	platform ocispec.Platform
	begun    bool // it is being converted, or was
	done     *state
	asks     *outline.Stage
}

// addStages expands every FROM line. All of them count, since a later FROM may
// name any earlier one.
func (c *converter) addStages(f syntax.File) error {
	c.byName = map[string]*stage{}
	c.from, c.builds = map[string]plan.ID{}, map[string]*plan.Image{}
	for i, p := range f.Stages {
		st, err := c.newStage(i, p, f)
		if err != nil {
			return plan.At(c.source.Range(p.Location, p.SourceCode), err)
		}
		c.stages = append(c.stages, st)
		if p.Name != "" {
			c.byName[p.Name] = st
		}
	}
	return nil
}

func (c *converter) newStage(i int, p instructions.Stage, f syntax.File) (*stage, error) {
	defer c.lint.Below(p.Comments)()
	res, err := c.expandFrom(p.BaseName, p, f)
	if err != nil {
		return nil, err
	}
	name := res.Result
	st := &stage{Stage: p, index: i, display: p.Name, image: name, platform: c.opt.Platform}
	st.asks = outline.NewStage(p, c.declared)
	st.asks.Use(res.Matched)
	if st.display == "" {
		st.display = "stage-" + strconv.Itoa(i)
	}
	if len(f.Stages) == 1 {
		st.display = ""
	}
	if base, ok := c.byName[strings.ToLower(name)]; ok {
		st.base, st.image, st.platform = base, "", base.platform
	}
	if p.Platform != "" {
		if st.platform, err = c.fromPlatform(st, f); err != nil {
			return nil, err
		}
	}
	if c.replaced(st) || st.base != nil {
		return st, nil
	}
	if given, ctx, ok := c.opt.Contexts.Find(name, st.platform); ok {
		st.given(given, ctx)
	}
	return st, nil
}

// target finds the stage to build.
func (c *converter) target() (*stage, error) {
	if c.opt.Target == "" {
		return c.stages[len(c.stages)-1], nil
	}
	if st, ok := c.byName[strings.ToLower(c.opt.Target)]; ok {
		return st, nil
	}
	if i, err := strconv.Atoi(c.opt.Target); err == nil && i >= 0 && i < len(c.stages) {
		return c.stages[i], nil
	}
	return nil, c.hinted(errdefs.Errorf(errdefs.ErrNotFound, "%s: target stage %q could not be found; there are: %s",
		c.opt.Name, c.opt.Target, c.stageNames()), c.opt.Target, len(c.stages))
}

// stageNames lists the stages for a message: by name, those without by number.
func (c *converter) stageNames() string {
	names := make([]string, len(c.stages))
	for i, st := range c.stages {
		names[i] = cmp.Or(st.Name, strconv.Itoa(i))
	}
	return strings.Join(names, ", ")
}

// finish writes the target's state into the graph.
func (c *converter) finish(st *state) {
	img := &c.graph.Target
	img.RootFS = st.fs
	img.Platform = st.platform
	img.Config = st.config
	img.History = st.history
	img.Base = st.base
	img.Author = st.author
	for k, v := range c.opt.Labels {
		if img.Config.Labels == nil {
			img.Config.Labels = map[string]string{}
		}
		img.Config.Labels[k] = v
	}
}
