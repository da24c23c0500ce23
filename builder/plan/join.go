package plan

import "slices"

// Join puts the graphs of one build for several platforms, or of several builds,
// into one, so that what they have in common, such as stages that run on the
// platform that builds, is worked on once. The first graph's target is the
// result's Target, those that follow are its Others.
func Join(graphs ...*Graph) *Graph {
	all := &Graph{}
	for i, g := range graphs {
		images := all.Graft(g)
		if i == 0 {
			all.Target, images = images[0], images[1:]
		}
		all.Others = append(all.Others, images...)
		for _, w := range g.Warnings {
			all.warn(w)
		}
	}
	return all
}

// Warnings are those of all graphs, each once.
func Warnings(graphs []*Graph) []Warning {
	all := &Graph{}
	for _, g := range graphs {
		for _, w := range g.Warnings {
			all.warn(w)
		}
	}
	return all.Warnings
}

// Graft adds the vertices of another graph, and returns that graph's images as
// they are in this one.
func (g *Graph) Graft(other *Graph) []Image {
	shift := ID(len(g.Vertices))
	for _, v := range other.Vertices {
		g.Vertices = append(g.Vertices, v.shifted(shift))
	}
	var images []Image
	for _, img := range other.Targets() {
		images = append(images, img.shifted(shift))
	}
	return images
}

// RenameContexts gives every context that the graph reads from another name, so
// that several builds can be one graph although each has a context of its own.
func (g *Graph) RenameContexts(rename func(name string) string) {
	for _, v := range g.Vertices {
		if op, ok := v.Op.(*Copy); ok {
			moved := *op
			moved.Sources = slices.Clone(op.Sources)
			for i, src := range moved.Sources {
				if src.FromFiles() {
					moved.Sources[i].Context = rename(src.Context)
				}
			}
			v.Op = &moved
		}
		v.Definition = g.definition(v)
	}
}

// FromFiles says whether the source is a path of a context.
func (s Source) FromFiles() bool {
	return s.From == FromContext && s.Git == nil && s.URL == "" && s.Inline == nil
}

// shifted is the vertex in a graph where so many come before its own.
func (v *Vertex) shifted(by ID) *Vertex {
	moved := *v
	moved.ID += by
	if moved.Parent != None {
		moved.Parent += by
	}
	moved.Inputs = nil
	for _, in := range v.Inputs {
		moved.Inputs = append(moved.Inputs, in+by)
	}
	return &moved
}

// shifted is the image in a graph where so many vertices come before its own.
func (img Image) shifted(by ID) Image {
	img.RootFS += by
	lines := img.History
	img.History = nil
	for _, h := range lines {
		if h.Vertex != None {
			h.Vertex += by
		}
		img.History = append(img.History, h)
	}
	return img
}

// warn adds a warning that the graph does not have yet: every platform gives
// the same advice.
func (g *Graph) warn(w Warning) {
	for _, have := range g.Warnings {
		if have == w {
			return
		}
	}
	g.Warnings = append(g.Warnings, w)
}

// Targets are the images to make, one for each platform.
func (g *Graph) Targets() []Image { return append([]Image{g.Target}, g.Others...) }
