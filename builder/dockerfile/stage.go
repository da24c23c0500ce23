package dockerfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/bases"
	"cove/builder/dockerfile/lint"
	"cove/builder/dockerfile/syntax"
	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
)

// defaultPath is what PATH is when no image and no ENV says otherwise.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// state is what a stage has become after the instructions so far.
type state struct {
	stage    *stage
	fs       plan.ID
	base     plan.Base
	platform ocispec.Platform
	config   plan.Config
	author   string
	history  []plan.History
	vars     *vars.Set // environment and arguments: what expands, and what a RUN gets
	args     []string  // the arguments among them, in order of declaration
	triggers []string  // ONBUILD of this stage itself

	noCache     bool
	updated     bool // apt-get update was seen
	workdirSet  bool // an absolute WORKDIR was seen
	seen        lint.Seen
	step, steps int
}

// convert turns a stage into vertices, after those that it builds on.
func (c *converter) convert(st *stage) (*state, error) {
	if st.done != nil {
		return st.done, nil
	}
	if st.begun {
		return nil, invalid("circular dependency detected on stage: %s: it needs what is made of it",
			cmp.Or(st.Name, strconv.Itoa(st.index)))
	}
	st.begun = true
	defer c.lint.Whole()()
	s, triggers, err := c.begin(st)
	if err != nil {
		return nil, err
	}
	extra, err := c.parseTriggers(st, triggers)
	if err != nil {
		return nil, err
	}
	cmds := append(extra, st.Commands...)
	s.steps = syntax.Steps(cmds)
	if st.base == nil && st.build == "" {
		if s.base.Name != "" {
			s.step, s.steps = 1, s.steps+1
		}
		s.fs = c.add(s, &s.base, c.source.Range(st.Location, st.SourceCode), nil)
		if st.files != "" {
			s.steps++
			s.fs = c.add(s, values.WholeContext(st.files, ""), c.source.Range(st.Location, st.SourceCode), nil)
			s.record("FROM "+st.files+" # build context", s.fs, c.opt)
		}
	}
	for _, cmd := range cmds {
		if err := c.dispatch(s, cmd); err != nil {
			return nil, plan.At(c.source.Range(cmd.Location(), syntax.Written(cmd)), err)
		}
	}
	st.done = s
	return s, nil
}

// begin makes the state in which a stage starts, and what ONBUILD of its base
// puts before it.
func (c *converter) begin(st *stage) (*state, []string, error) {
	s := &state{
		stage: st, fs: plan.None, platform: st.platform, vars: vars.New(), seen: lint.Seen{},
		noCache: c.opt.NoCache || slices.Contains(c.opt.NoCacheFilter, st.Name) && st.Name != "",
	}
	loc := c.source.Range(st.Location, st.SourceCode)
	var triggers []string
	switch {
	case st.base != nil:
		parent, err := c.convert(st.base)
		if err != nil {
			return nil, nil, err
		}
		s.inherit(parent)
		st.asks.On(st.base.asks)
		triggers = parent.triggers
	case st.build != "":
		img, err := c.built(st.build, st.platform)
		if err != nil {
			return nil, nil, plan.At(loc, err)
		}
		s.start(*img)
		triggers = s.config.OnBuild
	case st.image != scratch:
		base, err := c.images.Get(st.image, st.platform)
		if err != nil {
			return nil, nil, plan.At(loc, c.hinted(err, st.image, st.index))
		}
		s.base = base
		if s.config, err = bases.Config(base); err != nil {
			return nil, nil, plan.At(loc, err)
		}
		s.author = base.Config.Author
		for _, h := range base.Config.History {
			s.history = append(s.history, plan.History{History: h, Vertex: plan.None, Base: true})
		}
		triggers = s.config.OnBuild
		c.checkPlatform(st, base)
	default:
		s.config.WorkingDir = "/"
	}
	s.config.OnBuild = nil
	if st.base == nil {
		s.setEnvironment()
	}
	return s, triggers, nil
}

// inherit takes over what an earlier stage has become.
func (s *state) inherit(p *state) {
	s.fs, s.base, s.author = p.fs, p.base, p.author
	s.config = plan.CloneConfig(p.config)
	s.history = slices.Clone(p.history)
	s.vars = p.vars.Clone()
	s.args = slices.Clone(p.args)
	s.workdirSet, s.updated = p.workdirSet, p.updated
}

// setEnvironment takes the variables from the config, which always has a PATH.
func (s *state) setEnvironment() {
	for _, e := range s.config.Env {
		k, v, _ := strings.Cut(e, "=")
		s.vars.Set(k, v)
	}
	if _, ok := s.vars.Get("PATH"); !ok {
		s.vars.Set("PATH", defaultPath)
		s.config.Env = vars.SetEnv(s.config.Env, "PATH", defaultPath)
	}
}

// checkPlatform warns when an image is not of the platform that was asked for.
func (c *converter) checkPlatform(st *stage, b plan.Base) {
	got, want := b.Config.Platform, st.platform
	if got.Architecture == "" || got.OS == want.OS && got.Architecture == want.Architecture {
		return
	}
	defer c.lint.Below(st.Comments)()
	c.lint.Run(&linter.RuleInvalidBaseImagePlatform, st.Location,
		linter.RuleInvalidBaseImagePlatform.Format(st.image, platforms.Format(want), platforms.Format(got)))
}

// parseTriggers parses the ONBUILD instructions of a base. They stand, as far
// as anyone can see, on the line of the FROM.
func (c *converter) parseTriggers(st *stage, triggers []string) ([]instructions.Command, error) {
	loc := c.source.Range(st.Location, st.SourceCode)
	var cmds []instructions.Command
	for _, t := range triggers {
		cmd, err := syntax.Trigger(t, loc.Line)
		if err != nil {
			return nil, plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid, "ONBUILD of the base, %q: %w", t, err))
		}
		cmds = append(cmds, cmd)
	}
	return cmds, nil
}

// add appends a vertex on top of the state's filesystem.
func (c *converter) add(s *state, op plan.Op, loc plan.Location, inputs []plan.ID) plan.ID {
	name := strings.Join(strings.Fields(loc.Instruction), " ")
	base, isBase := op.(*plan.Base)
	if !isBase {
		s.step++
	}
	if s.steps > 0 && (!isBase || base.Name != "") {
		of := fmt.Sprintf("%s %s %d/%d", c.opt.Prefix.Of(s.platform), s.stage.display, s.step, s.steps)
		name = "[" + strings.Join(strings.Fields(of), " ") + "] " + name
	}
	return c.graph.Add(plan.Vertex{
		Op: op, Parent: s.fs, Inputs: inputs, NoCache: s.noCache, Name: name, Location: loc,
	})
}

// change puts a vertex on top of the state and its line into the history.
func (c *converter) change(s *state, op plan.Op, loc plan.Location, inputs []plan.ID, createdBy string) {
	s.fs = c.add(s, op, loc, inputs)
	s.record(createdBy, s.fs, c.opt)
}

// historyComment is docker's column COMMENT.
const historyComment = "cove.dockerfile.v0"

func (s *state) record(createdBy string, v plan.ID, opt Options) {
	s.history = append(s.history, plan.History{
		History: ocispec.History{
			CreatedBy: createdBy, Comment: historyComment, Created: opt.Epoch,
			EmptyLayer: v == plan.None,
		},
		Vertex: v,
	})
}

// image returns the vertex of a whole image, for from=IMAGE.
func (c *converter) image(name string, loc plan.Location) (plan.ID, error) {
	if id, ok := c.from[name]; ok {
		return id, nil
	}
	if img, err := c.built(name, c.opt.Platform); err != nil {
		return plan.None, err
	} else if img != nil {
		return img.RootFS, nil
	}
	base, err := c.images.Get(name, c.opt.Platform)
	if err != nil {
		return plan.None, err
	}
	id := c.graph.Add(plan.Vertex{Op: &base, Parent: plan.None, Name: "FROM " + name, Location: loc})
	c.from[name] = id
	return id, nil
}
