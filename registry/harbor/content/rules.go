package content

import (
	"strconv"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/immutable"
	"cove/registry/selector"
)

func ruleOf(r immutable.Rule) shape.Immutable {
	shown := shape.Immutable{ID: r.ID, Action: "immutable", Template: "immutable_template"}
	shown.Tags, shown.Selectors = edge.SelectorsOf(r.Selector)
	return shown
}

func (o operations) immutableList(asked *edge.Ask) (any, error) {
	found, err := o.Policies.Immutable.List(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	items := []shape.Immutable{}
	for _, r := range edge.Part(asked, found) {
		items = append(items, ruleOf(r))
	}
	return items, nil
}

// immutableSelector is what the rule of a request speaks of.
func immutableSelector(asked *edge.Ask) (s selector.Selector, err error) {
	var r shape.Immutable
	if err := asked.Read(&r); err != nil {
		return s, err
	}
	if r.Disabled {
		return s, edge.Unsupported("a rule that is disabled: make it when it is to hold")
	}
	return edge.SelectorOf(r.Tags, r.Selectors)
}

func (o operations) immutableChange(asked *edge.Ask) (any, error) {
	id, err := edge.Number("rule", asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	s, err := immutableSelector(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Immutable.Set(asked.Context(), asked.Caller, asked.Project, id, s)
}

func (o operations) immutableCreate(asked *edge.Ask) (any, error) {
	s, err := immutableSelector(asked)
	if err != nil {
		return nil, err
	}
	made, err := o.Policies.Immutable.Add(asked.Context(), asked.Caller, asked.Project, s)
	if err != nil {
		return nil, err
	}
	asked.Created("/projects/" + asked.PathValue("project") + "/immutabletagrules/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

func (o operations) immutableDelete(asked *edge.Ask) (any, error) {
	id, err := edge.Number("rule", asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Immutable.Remove(asked.Context(), asked.Caller, asked.Project, id)
}
