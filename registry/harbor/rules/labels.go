package rules

import (
	"cmp"
	"strconv"
	"strings"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/labels"
)

// scope is the project whose labels a query or a body is about, "" of those of all.
func (o operations) scope(asked *edge.Ask, scope string, project int64) (string, error) {
	switch {
	case scope == edge.OfAll:
		return "", nil
	case scope != edge.OfProject:
		return "", edge.Invalid("scope %q is neither g (all projects) nor p (one)", scope)
	case project <= 0:
		return "", edge.Invalid("scope p needs project_id, the number of a project")
	}
	return o.Named(asked, project)
}

// labelList lists labels, of all projects or of one.
func (o operations) labelList(asked *edge.Ask) (any, error) {
	query := asked.URL.Query()
	project := int64(0)
	if text := query.Get("project_id"); text != "" {
		var err error
		if project, err = edge.Number("project", text); err != nil {
			return nil, err
		}
	}
	of, err := o.scope(asked, cmp.Or(query.Get("scope"), edge.OfAll), project)
	if err != nil {
		return nil, err
	}
	match, exact := query.Get("name"), false
	if name, fuzzy := asked.Filter("name"); name != "" {
		match, exact = name, !fuzzy
	}
	found := []shape.Label{}
	for last, more := "", true; more; {
		var page []labels.Label
		page, more, err = o.Policies.Labels.List(asked.Context(), asked.Caller, of,
			labels.Query{Match: match, Last: last, N: edge.MaxPage})
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			last = l.Name
			if !exact || l.Name == match {
				found = append(found, edge.LabelOf(l))
			}
		}
	}
	err = edge.Order(asked, found, map[string]func(a, b shape.Label) int{
		"id":            func(a, b shape.Label) int { return cmp.Compare(a.ID, b.ID) },
		"name":          func(a, b shape.Label) int { return strings.Compare(a.Name, b.Name) },
		"creation_time": func(a, b shape.Label) int { return a.Created.Compare(*b.Created) },
		"update_time":   func(a, b shape.Label) int { return a.Updated.Compare(*b.Updated) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, found), nil
}

func labelSpec(l shape.Label) labels.Spec {
	return labels.Spec{Name: &l.Name, Description: &l.Description, Color: &l.Color}
}

func (o operations) labelCreate(asked *edge.Ask) (any, error) {
	var l shape.Label
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	of, err := o.scope(asked, l.Scope, l.ProjectID)
	if err != nil {
		return nil, err
	}
	made, err := o.Policies.Labels.Create(asked.Context(), asked.Caller, of, labelSpec(l))
	if err != nil {
		return nil, err
	}
	asked.Created("/labels/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

// label is the one that the path names, for who may see it.
func (o operations) label(asked *edge.Ask) (l labels.Label, err error) {
	id, err := edge.Number("label", asked.PathValue("label"))
	if err != nil {
		return l, err
	}
	of, err := o.Policies.Labels.Where(asked.Context(), id)
	if err != nil {
		return l, err
	}
	return o.Policies.Labels.Get(asked.Context(), asked.Caller, of, id)
}

func (o operations) labelGet(asked *edge.Ask) (any, error) {
	l, err := o.label(asked)
	return edge.LabelOf(l), err
}

// labelChange sets what a label is. It stays of the project that it is of.
func (o operations) labelChange(asked *edge.Ask) (any, error) {
	was, err := o.label(asked)
	if err != nil {
		return nil, err
	}
	var l shape.Label
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	shown := edge.LabelOf(was)
	if l.Scope != "" && l.Scope != shown.Scope || l.ProjectID != 0 && l.ProjectID != shown.ProjectID {
		return nil, edge.Unsupported("another scope for a label: make another one")
	}
	_, err = o.Policies.Labels.Change(asked.Context(), asked.Caller, was.Project, was.ID, labelSpec(l))
	return nil, err
}

func (o operations) labelDelete(asked *edge.Ask) (any, error) {
	l, err := o.label(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Labels.Remove(asked.Context(), asked.Caller, l.Project, l.ID)
}
