package content

import (
	"context"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/labels"
)

func (o operations) labelPut(asked *edge.Ask) (any, error) {
	var l shape.Label
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	if l.ID == 0 {
		return nil, edge.Invalid(`body: it should be {"id": …}, the number of a label`)
	}
	return nil, o.labelled(asked, l.ID, o.Policies.Labels.Put)
}

func (o operations) labelTake(asked *edge.Ask) (any, error) {
	id, err := edge.Number("label", asked.PathValue("label"))
	if err != nil {
		return nil, err
	}
	return nil, o.labelled(asked, id, o.Policies.Labels.Take)
}

// labelled does something with a label and the artifact that the path names.
func (o operations) labelled(
	asked *edge.Ask, id int64, do func(context.Context, auth.Caller, labels.Artifact, labels.Which) error,
) error {
	a, err := o.named(asked)
	if err != nil {
		return err
	}
	on := labels.Artifact{Repository: a.Name.Repository, Digest: a.Manifest.Digest}
	return do(asked.Context(), asked.Caller, on, labels.Which{ID: id})
}
