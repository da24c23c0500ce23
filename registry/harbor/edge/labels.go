package edge

import (
	"cove/registry/harbor/shape"
	"cove/registry/labels"
)

// Harbor's words for what a label is of.
const (
	OfAll     = "g"
	OfProject = "p"
)

// LabelOf is a label as Harbor has it.
func LabelOf(l labels.Label) shape.Label {
	created, changed := l.CreatedAt.UTC(), l.ChangedAt.UTC()
	out := shape.Label{
		ID: l.ID, Name: l.Name, Description: l.Description, Color: l.Color, Scope: OfProject, ProjectID: l.Number,
		Created: &created, Updated: &changed,
	}
	if l.Global() {
		out.Scope = OfAll
	}
	return out
}
