// Package plan is a build as data: a graph of vertices with keys.
//
// A Graph says what a build will do and holds everything that means something
// to its result: commands, environment, users, paths, mounts. It holds no
// files, snapshots or connections, does no I/O, and can be printed, compared
// and tested as a value. builder/dockerfile makes one; builder/solve executes
// it.
package plan

import (
	"slices"

	"github.com/opencontainers/go-digest"
)

// ID names a vertex: its index in Graph.Vertices.
type ID int

// None is the ID of no vertex.
const None ID = -1

// Graph is a whole build. A vertex comes after everything that it needs.
type Graph struct {
	Vertices []*Vertex
	// Target is the image to make, Others are those of the same build for other
	// platforms.
	Target Image
	Others []Image
	// Warnings are what the Dockerfile's author should know, in line order.
	Warnings []Warning
}

// Vertex is one step that makes or changes a root filesystem.
type Vertex struct {
	ID ID
	// Op is what it does: *Base, *Run, *Copy or *Workdir.
	Op Op
	// Parent is the filesystem that it starts from; None for *Base.
	Parent ID
	// Inputs are other filesystems that it reads, as the op's From indexes
	// name them.
	Inputs []ID
	// Definition is the digest of the op and of the definitions of all that it
	// builds on. Two vertices with one definition do the same thing to the same
	// thing, apart from what the context holds.
	Definition digest.Digest
	// NoCache asks for execution even if the result is known.
	NoCache bool

	// Name is for people, as "[build 2/5] RUN make"; Location is where the
	// instruction stands. Neither is part of the definition.
	Name     string
	Location Location
}

// Location is a place in a Dockerfile.
type Location struct {
	File string
	// Line is the instruction's first line, from 1; End its last one, or 0
	// where it has but one.
	Line, End int
	// Instruction is the instruction's text, on one line.
	Instruction string
}

// Warning is advice about one line of a Dockerfile.
type Warning struct {
	Location Location
	Rule     string // as "StageNameCasing"
	URL      string // where the rule is explained; "" for rules of our own
	Text     string
	// Description is what the rule is about; "" for rules of our own.
	Description string
}

// BaseLayers is how many layers an image has of its base.
func (g *Graph) BaseLayers(rootFS ID) int {
	for id := rootFS; id != None; id = g.Vertices[id].Parent {
		if base, ok := g.Vertices[id].Op.(*Base); ok {
			return len(base.Layers)
		}
	}
	return 0
}

// Contexts lists the contexts with names that the graph reads from.
func (g *Graph) Contexts() (names []string) {
	for _, v := range g.Vertices {
		op, ok := v.Op.(*Copy)
		if !ok {
			continue
		}
		for _, src := range op.Sources {
			if src.Context != "" && !slices.Contains(names, src.Context) {
				names = append(names, src.Context)
			}
		}
	}
	return names
}

// CacheMounts are the ids of all cache mounts of commands.
func (g *Graph) CacheMounts() (ids []string) {
	for _, v := range g.Vertices {
		if run, ok := v.Op.(*Run); ok {
			for _, m := range run.Mounts {
				if m.Type == "cache" {
					ids = append(ids, m.ID)
				}
			}
		}
	}
	return ids
}
