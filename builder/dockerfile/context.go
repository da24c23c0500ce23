package dockerfile

import (
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/bases"
	"cove/builder/dockerfile/values"
	"cove/builder/plan"
	"cove/internal/platforms"
)

// filesNamed is the name of a context of files, "" if name is none.
func (c *converter) filesNamed(name string) string {
	if given, ctx, ok := c.opt.Contexts.Find(name, c.opt.Platform); ok && ctx.Files() {
		return given
	}
	return ""
}

// replaced is a stage in whose place a context was given.
func (c *converter) replaced(st *stage) bool {
	if st.Name == "" {
		return false
	}
	given, ctx, ok := c.opt.Contexts.Find(st.Name, st.platform)
	if !ok {
		return false
	}
	st.base, st.Commands, st.image = nil, nil, ctx.Image
	st.given(given, ctx)
	return true
}

// given makes a stage begin with a context that is no image.
func (st *stage) given(name string, ctx bases.Context) {
	st.files, st.build = "", ""
	switch {
	case ctx.Build != nil:
		st.image, st.build = scratch, name
	case ctx.Image == "":
		st.image, st.files = scratch, name
	}
}

// built plans the build that a context of this name is, and puts it into the
// graph. No error and no image means that there is none of that name.
func (c *converter) built(name string, platform ocispec.Platform) (*plan.Image, error) {
	given, ctx, ok := c.opt.Contexts.Find(name, platform)
	if !ok || ctx.Build == nil {
		return nil, nil
	}
	key := given + " " + platforms.Format(platform)
	if img, ok := c.builds[key]; ok {
		return img, nil
	}
	g, err := ctx.Build(c.images.Context(), platform)
	if err != nil {
		return nil, err
	}
	img := c.graph.Graft(g)[0]
	c.builds[key] = &img
	return &img, nil
}

// start begins a stage with the image of another build.
func (s *state) start(img plan.Image) {
	s.fs, s.base, s.author = img.RootFS, img.Base, img.Author
	s.config = plan.CloneConfig(img.Config)
	s.history = slices.Clone(img.History)
}

// contextTree is a filesystem that holds a path of a context, "" for the one
// without a name: what a command sees of the context is what COPY would take of
// it, and not the directory of the user, to which it could write.
func (c *converter) contextTree(s *state, name, source string, loc plan.Location) plan.ID {
	empty := c.graph.Add(plan.Vertex{Op: &plan.Base{}, Parent: plan.None, Name: "FROM scratch", Location: loc})
	label := "[context] " + source
	if name != "" {
		label = "[context " + name + "] " + source
	}
	return c.graph.Add(plan.Vertex{
		Op: values.WholeContext(name, source), Parent: empty, NoCache: s.noCache, Name: strings.TrimSpace(label),
		Location: loc,
	})
}
