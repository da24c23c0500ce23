package work

import (
	"time"

	"cove/registry/api/rest"
	"cove/registry/immutable"
	"cove/registry/selector"
)

// Selector says of which repositories and tags a rule speaks.
type Selector struct {
	// Repositories is a glob of names within the project; ** if it is not said.
	Repositories       string `json:"repositories,omitempty"`
	ExceptRepositories bool   `json:"exceptRepositories,omitempty"`
	Tags               string `json:"tags,omitempty"` // a glob; ** if it is not said
	ExceptTags         bool   `json:"exceptTags,omitempty"`
}

// ImmutableRule keeps tags where they are.
type ImmutableRule struct {
	ID       string    `json:"id"`
	Selector Selector  `json:"selector"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// ImmutableRules are those of a project.
type ImmutableRules struct {
	Items []ImmutableRule `json:"items"`
}

// ImmutableRuleOf is a rule as the API and the command line show it.
func ImmutableRuleOf(r immutable.Rule) ImmutableRule {
	return ImmutableRule{id(r.ID), Selector(r.Selector), r.By, r.At.UTC()}
}

func (w *Work) immutable() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/immutable", Right: immutable.List, Object: "project",
			ID: "listImmutableRules", Summary: "Which tags of a project stay where they are",
			Answer: ImmutableRules{},
			Status: 200, Serve: w.immutableRules,
		},
		{
			Method: post, Path: "/projects/{project}/immutable", Right: immutable.Create, Object: "project",
			ID: "addImmutableRule", Summary: "Keep tags where they are",
			Body:   Selector{},
			Answer: ImmutableRule{},
			Status: 201, Serve: w.immutableAdd,
		},
		{
			Method: remove, Path: "/projects/{project}/immutable/{rule}", Right: immutable.Remove, Object: "project",
			ID: "deleteImmutableRule", Summary: "Let tags move again",
			Status: 204, Serve: w.immutableRemove,
		},
	}
}

func (w *Work) immutableRules(asked *rest.Ask) (any, error) {
	all, err := w.p.Immutable.List(asked.Context(), asked.Caller, asked.PathValue("project"))
	out := ImmutableRules{Items: make([]ImmutableRule, len(all))}
	for i, r := range all {
		out.Items[i] = ImmutableRuleOf(r)
	}
	return out, err
}

func (w *Work) immutableAdd(asked *rest.Ask) (any, error) {
	var s Selector
	if err := asked.Read(&s); err != nil {
		return nil, err
	}
	r, err := w.p.Immutable.Add(asked.Context(), asked.Caller, asked.PathValue("project"), selector.Selector(s))
	return ImmutableRuleOf(r), err
}

func (w *Work) immutableRemove(asked *rest.Ask) (any, error) {
	n, err := Numbered(asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	return nil, w.p.Immutable.Remove(asked.Context(), asked.Caller, asked.PathValue("project"), n)
}
