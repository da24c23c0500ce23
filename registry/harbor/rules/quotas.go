package rules

import (
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
)

// A project has one quota, whose number and times are the project's: when a quota was
// changed is in the audit log alone.

func quotaOf(q listing.Quota) shape.Quota {
	return shape.Quota{
		ID: q.ProjectID, Ref: shape.QuotaRef{ID: q.ProjectID, Name: q.Project, OwnerName: q.Owner},
		Hard: shape.Resources{Storage: q.Limit}, Used: shape.Resources{Storage: q.Used},
		Created: q.CreatedAt, Updated: q.CreatedAt,
	}
}

func (o operations) quotaList(asked *edge.Ask) (any, error) {
	query := asked.URL.Query()
	if reference := query.Get("reference"); reference != "" && reference != "project" {
		return nil, edge.Unsupported("quotas of a %q", reference)
	}
	project := int64(0)
	if text := query.Get("reference_id"); text != "" {
		var err error
		if project, err = edge.Number("reference_id", text); err != nil {
			return nil, err
		}
	}
	found, total, err := o.Lists.Quotas(asked.Context(), project, asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Quota{}
	for _, q := range found {
		items = append(items, quotaOf(q))
	}
	return items, nil
}

func (o operations) quota(asked *edge.Ask) (listing.Quota, error) {
	id, err := edge.Number("quota", asked.PathValue("quota"))
	if err != nil {
		return listing.Quota{}, err
	}
	return o.Lists.Quota(asked.Context(), id)
}

func (o operations) quotaGet(asked *edge.Ask) (any, error) {
	q, err := o.quota(asked)
	return quotaOf(q), err
}

func (o operations) quotaSet(asked *edge.Ask) (any, error) {
	var r shape.QuotaRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	if r.Hard == nil || r.Hard.Storage == nil {
		return nil, edge.Invalid("body: hard.storage is missing")
	}
	if *r.Hard.Storage == 0 { // which Harbor's clients do not mean by it: no push would fit
		return nil, edge.Invalid("body: hard.storage is a number of bytes, or -1 for no limit")
	}
	q, err := o.quota(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Quotas.Limit(asked.Context(), asked.Caller, q.Project, r.Hard.Storage)
}
