package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func graphOf(arch, command string) *Graph {
	g := &Graph{Warnings: []Warning{{Rule: "Same"}, {Rule: arch}}}
	base := g.Add(Vertex{Op: &Base{Name: "base"}, Parent: None})
	tool := g.Add(Vertex{Op: &Run{Args: []string{"tool"}}, Parent: base})
	top := g.Add(Vertex{Op: &Run{Args: []string{command}}, Parent: base, Inputs: []ID{tool}})
	g.Target = Image{
		RootFS: top, Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		History: []History{{Vertex: None, Base: true}, {Vertex: top}},
	}
	return g
}

func TestJoin(t *testing.T) {
	t.Parallel()
	first, second := graphOf("amd64", "one"), graphOf("arm64", "two")
	g := Join(first, second)
	if len(g.Vertices) != 6 || len(g.Targets()) != 2 {
		t.Fatalf("%d vertices, %d targets", len(g.Vertices), len(g.Targets()))
	}
	for i, v := range g.Vertices {
		if v.ID != ID(i) {
			t.Errorf("vertex %d calls itself %d", i, v.ID)
		}
		if got := g.definition(v); got != v.Definition {
			t.Errorf("vertex %d: its definition changed from %s to %s", i, v.Definition, got)
		}
	}
	if g.Vertices[1].Definition != g.Vertices[4].Definition {
		t.Error("what both platforms do is two steps")
	}
	other := g.Targets()[1]
	if other.RootFS != 5 || other.History[0].Vertex != None || other.History[1].Vertex != 5 {
		t.Errorf("the second image: %+v", other)
	}
	if second.Target.History[1].Vertex != 2 {
		t.Error("the graph that was joined changed")
	}
	if diff := cmp.Diff([]Warning{{Rule: "Same"}, {Rule: "amd64"}, {Rule: "arm64"}}, g.Warnings); diff != "" {
		t.Error(diff)
	}
}
