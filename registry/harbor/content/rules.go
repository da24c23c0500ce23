package content

import (
	"strconv"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/immutable"
	"cove/registry/selector"
)

// The decorations of Harbor's selectors.
const (
	matches      = "matches"
	excludes     = "excludes"
	repoMatches  = "repoMatches"
	repoExcludes = "repoExcludes"
)

func decorated(except bool, yes, no string) string {
	if except {
		return no
	}
	return yes
}

func orAll(glob string) string {
	if glob == "" {
		return "**"
	}
	return glob
}

func ruleOf(r immutable.Rule) shape.Immutable {
	return shape.Immutable{
		ID: r.ID, Action: "immutable", Template: "immutable_template",
		Tags: []shape.Selector{{
			Kind: "doublestar", Decoration: decorated(r.ExceptTags, matches, excludes), Pattern: orAll(r.Tags),
		}},
		Selectors: map[string][]shape.Selector{"repository": {{
			Kind: "doublestar", Decoration: decorated(r.ExceptRepositories, repoMatches, repoExcludes),
			Pattern: orAll(r.Repositories),
		}}},
	}
}

// selectorOf is what a rule's two selectors choose.
func selectorOf(r shape.Immutable) (s selector.Selector, err error) {
	repositories := r.Selectors["repository"]
	if len(r.Tags) != 1 || len(repositories) != 1 || len(r.Selectors) != 1 {
		return s, edge.Unsupported("a rule with other than one tag selector and one of repositories")
	}
	read := func(in shape.Selector, yes, no string) (glob string, except bool, err error) {
		switch {
		case in.Kind != "doublestar" && in.Kind != "":
			return "", false, edge.Unsupported("the kind %q of a selector", in.Kind)
		case in.Decoration != yes && in.Decoration != no:
			return "", false, edge.Invalid("body: the decoration %q is neither %s nor %s", in.Decoration, yes, no)
		}
		return in.Pattern, in.Decoration == no, nil
	}
	if s.Tags, s.ExceptTags, err = read(r.Tags[0], matches, excludes); err != nil {
		return s, err
	}
	s.Repositories, s.ExceptRepositories, err = read(repositories[0], repoMatches, repoExcludes)
	return s, err
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

func (o operations) immutableCreate(asked *edge.Ask) (any, error) {
	var r shape.Immutable
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	if r.Disabled {
		return nil, edge.Unsupported("a rule that is disabled: make it when it is to hold")
	}
	s, err := selectorOf(r)
	if err != nil {
		return nil, err
	}
	made, err := o.Policies.Immutable.Add(asked.Context(), asked.Caller, asked.Project, s)
	if err != nil {
		return nil, err
	}
	asked.Created("/projects/" + asked.Project + "/immutabletagrules/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

func (o operations) immutableDelete(asked *edge.Ask) (any, error) {
	id, err := edge.Number("rule", asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Immutable.Remove(asked.Context(), asked.Caller, asked.Project, id)
}
