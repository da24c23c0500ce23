package dockerfile

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"cove/builder/plan"
)

// Stage is one that can be built.
type Stage struct {
	Name        string        `json:"name,omitempty"`
	Default     bool          `json:"default,omitempty"`
	Description string        `json:"description,omitempty"`
	Base        string        `json:"base,omitempty"`
	Platform    string        `json:"platform,omitempty"`
	Location    plan.Location `json:"-"`
}

// Outline is what a stage, and all that it is built from, can be given.
type Outline struct {
	Name        string       `json:"name,omitempty"`
	Description string       `json:"description,omitempty"`
	Args        []OutlineArg `json:"args,omitempty"`
	Secrets     []OutlineUse `json:"secrets,omitempty"`
	SSH         []OutlineUse `json:"ssh,omitempty"`
	Cache       []OutlineUse `json:"cache,omitempty"`
}

// OutlineArg is a build argument.
type OutlineArg struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Value       string `json:"value,omitempty"`
}

// OutlineUse is a secret, an agent or a cache mount, by its id.
type OutlineUse struct {
	Name     string `json:"name"`
	Required bool   `json:"required,omitempty"`
}

// Describe parses src and lists its stages, and what the target of the options can
// be given. It asks for no image.
func Describe(ctx context.Context, src []byte, opt Options) ([]Stage, Outline, error) {
	opt.Name = cmp.Or(opt.Name, "Dockerfile")
	c := &converter{opt: opt, graph: &plan.Graph{}, source: newSource(opt.Name, src), images: newResolver(ctx, opt)}
	defer c.images.close()
	f, err := c.parse(src)
	if err != nil {
		return nil, Outline{}, err
	}
	c.lex = shell.NewLex(f.escape)
	if err := c.globalArgs(f); err != nil {
		return nil, Outline{}, err
	}
	if err := c.addStages(f); err != nil {
		return nil, Outline{}, err
	}
	target, err := c.target()
	if err != nil {
		return nil, Outline{}, err
	}
	var all []Stage
	for i, st := range c.stages {
		all = append(all, Stage{
			Name: st.Name, Default: i == len(c.stages)-1, Description: described(st.Comments, st.Name),
			Base: st.BaseName, Platform: st.Platform, Location: c.at(st.Location, st.SourceCode),
		})
	}
	o := Outline{Name: target.Name, Description: described(target.Comments, target.Name)}
	for _, cmd := range f.global {
		c.outlineArgs(&o, &cmd)
	}
	c.outline(&o, target, map[*stage]bool{})
	return all, o, nil
}

// described is the comment above an instruction that begins with a name, without
// the name: "# build compiles the server".
func described(comments []string, name string) string {
	for _, line := range comments {
		if text, ok := strings.CutPrefix(line, name+" "); ok && name != "" {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// outline adds what a stage takes, and the stages that it needs.
func (c *converter) outline(o *Outline, st *stage, seen map[*stage]bool) {
	if seen[st] {
		return
	}
	seen[st] = true
	if st.base != nil {
		c.outline(o, st.base, seen)
	}
	for _, name := range froms(st.Commands) {
		if other, err := c.stageNamed(name, st); err == nil && other != nil {
			c.outline(o, other, seen)
		}
	}
	for _, cmd := range st.Commands {
		switch cmd := cmd.(type) {
		case *instructions.ArgCommand:
			c.outlineArgs(o, cmd)
		case *instructions.RunCommand:
			// A mount is read from its flag when a variable in it has been replaced,
			// if there is one: what has none is known now.
			if err := cmd.Expand(func(word string) (string, error) { return word, nil }); err == nil {
				o.mounts(instructions.GetMounts(cmd))
			}
		}
	}
}

// outlineArgs adds arguments with what they are worth.
func (c *converter) outlineArgs(o *Outline, cmd *instructions.ArgCommand) {
	for _, arg := range cmd.Args {
		has := func(a OutlineArg) bool { return a.Name == arg.Key }
		if slices.ContainsFunc(o.Args, has) {
			continue
		}
		value, given := c.opt.BuildArgs[arg.Key]
		if !given {
			if value, given = c.global.Get(arg.Key); !given && arg.Value != nil {
				value = *arg.Value
			}
		}
		shown := OutlineArg{Name: arg.Key, Value: value, Description: described(cmd.Comments(), arg.Key)}
		o.Args = append(o.Args, shown)
	}
}

// mounts adds the secrets, agents and caches of a RUN.
func (o *Outline) mounts(all []*instructions.Mount) {
	for _, m := range all {
		out := &plan.RunMount{ID: m.CacheID, Target: m.Target}
		var list *[]OutlineUse
		switch m.Type {
		case instructions.MountTypeSecret:
			list = &o.Secrets
			if secretMount(m, out) != nil {
				continue
			}
		case instructions.MountTypeSSH:
			list, out.ID = &o.SSH, cmp.Or(m.CacheID, "default")
		case instructions.MountTypeCache:
			list, out.ID = &o.Cache, cmp.Or(m.CacheID, m.Target)
		default:
			continue
		}
		i := slices.IndexFunc(*list, func(u OutlineUse) bool { return u.Name == out.ID })
		if i < 0 {
			*list = append(*list, OutlineUse{Name: out.ID, Required: m.Required})
		} else if m.Required {
			(*list)[i].Required = true
		}
	}
}
