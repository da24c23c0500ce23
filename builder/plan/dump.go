package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Dump returns the graph as text, for people and golden files: one paragraph a
// vertex, then the image.
func (g *Graph) Dump() string {
	var b bytes.Buffer
	for _, v := range g.Vertices {
		fmt.Fprintf(&b, "%d: %s\n", v.ID, v.Name)
		if v.Parent != None {
			fmt.Fprintf(&b, "  on %d\n", v.Parent)
		}
		for i, in := range v.Inputs {
			fmt.Fprintf(&b, "  input %d is %d\n", i, in)
		}
		if v.NoCache {
			b.WriteString("  no cache\n")
		}
		fmt.Fprintf(&b, "  line %d, definition %s\n", v.Location.Line, v.Definition.Encoded()[:12])
		if base, ok := v.Op.(*Base); ok {
			fmt.Fprintf(&b, "  base %q, %d layers\n", base.Name, len(base.Layers))
			continue
		}
		fmt.Fprintf(&b, "  %s %s\n", v.Op.kind(), indented(v.Op))
	}
	fmt.Fprintf(&b, "image: %d\n  config %s\n", g.Target.RootFS, indented(g.Target.Config))
	for _, h := range g.Target.History {
		fmt.Fprintf(&b, "  history %d: %s\n", h.Vertex, h.CreatedBy)
	}
	for _, w := range g.Warnings {
		fmt.Fprintf(&b, "warning: %d: %s: %s\n", w.Location.Line, w.Rule, w.Text)
	}
	return b.String()
}

func indented(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
