package plan

// Join puts the graphs of one build for several platforms into one, so that
// what they have in common, such as stages that run on the platform that
// builds, is worked on once. The first graph's target is the result's Target,
// those of the others are its Others.
func Join(graphs ...*Graph) *Graph {
	all := &Graph{}
	for i, g := range graphs {
		shift := ID(len(all.Vertices))
		for _, v := range g.Vertices {
			all.Vertices = append(all.Vertices, v.shifted(shift))
		}
		img := g.Target.shifted(shift)
		if i == 0 {
			all.Target = img
		} else {
			all.Others = append(all.Others, img)
		}
		for _, w := range g.Warnings {
			all.warn(w)
		}
	}
	return all
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
