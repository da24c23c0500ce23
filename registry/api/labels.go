package api

import (
	"slices"
	"strconv"
	"time"

	"cove/errdefs"
	"cove/registry/api/rest"
	"cove/registry/api/work"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/labels"
)

// Label is a name with a colour that people put on artifacts.
type Label struct {
	ID          string    `json:"id"`
	Project     string    `json:"project,omitempty"` // of which it is; left out of one of all projects
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Color       string    `json:"color"` // as #0065ab
	By          string    `json:"by"`
	CreatedAt   time.Time `json:"createdAt"`
	ChangedAt   time.Time `json:"changedAt"`
}

func labelOf(l labels.Label) Label {
	return Label{
		strconv.FormatInt(l.ID, 10), l.Project, l.Name, l.Description, l.Color, l.By, l.CreatedAt.UTC(),
		l.ChangedAt.UTC(),
	}
}

func namesOf(all []labels.Label) []string {
	names := make([]string, len(all))
	for i, l := range all {
		names[i] = l.Name
	}
	return names
}

// LabelChange is what is said of a label. What is left out stays, or is, of a new one, as
// it is without it; a name is required of that.
type LabelChange struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
	Color       *string `json:"color,omitempty"` // as #0065ab
}

// LabelRestored names a label that was removed.
type LabelRestored struct {
	Name string `json:"name"`
}

// LabelName says which label is put on an artifact.
type LabelName struct {
	Name string `json:"name"`
	// Global: of a project and all projects that have one of the name, that of all.
	Global bool `json:"global,omitempty"`
}

func (a *API) labels() []rest.Operation {
	return slices.Concat(a.labelsOf(true), a.labelsOf(false), a.labelling())
}

// labelsOf are the operations on the labels of all projects, or of one.
func (a *API) labelsOf(all bool) []rest.Operation {
	path, object, word, of := "/projects/{project}/labels", "project", "", "a project"
	look, add, change, drop := labels.List, labels.Create, labels.Update, labels.Remove
	if all {
		path, object, word, of = "/labels", "labels", "Global", "all projects"
		look, add, change, drop = auth.SignIn, labels.Manage, labels.Manage, labels.Manage
	}
	one := path + "/{label}"
	return []rest.Operation{
		{
			Method: get, Path: path, Right: look, Object: object,
			ID: "list" + word + "Labels", Summary: "List the labels of " + of + ", by name",
			Query:  rest.PageOf(match),
			Answer: rest.Page[Label]{},
			Status: 200, Serve: a.labelList,
		},
		{
			Method: post, Path: path, Right: add, Object: object,
			ID: "create" + word + "Label", Summary: "Make a label of " + of,
			Body:   LabelChange{},
			Answer: Label{},
			Status: 201, ETag: true, Serve: a.labelCreate,
		},
		{
			Method: get, Path: one, Right: look, Object: object,
			ID: "get" + word + "Label", Summary: "One label of " + of,
			Answer: Label{},
			Status: 200, ETag: true, Serve: a.labelGet,
		},
		{
			Method: patch, Path: one, Right: change, Object: object,
			ID: "change" + word + "Label", Summary: "Change a label of " + of,
			Body:   LabelChange{},
			Answer: Label{},
			Status: 200, ETag: true, Serve: a.labelChange,
		},
		{
			Method: remove, Path: one, Right: drop, Object: object,
			ID: "delete" + word + "Label", Summary: "Remove a label of " + of + ", and take it off all artifacts; for a week it can be restored",
			Status: 204, Serve: a.labelDelete,
		},
		{
			Method: post, Path: path + "/restore", Right: drop, Object: object,
			ID: "restore" + word + "Label", Summary: "Take the removal of a label of " + of + " back, by its name",
			Body:   LabelRestored{},
			Answer: Label{},
			Status: 200, ETag: true, Serve: a.labelRestore,
		},
	}
}

func (a *API) labelling() []rest.Operation {
	const path = "/artifact-labels/{artifact...}"
	return []rest.Operation{
		{
			Method: post, Path: path, Right: labels.PutOn, Object: "manifest",
			ID: "putLabel", Summary: "Put a label on an artifact",
			Body:   LabelName{},
			Status: 204, Serve: a.labelPut,
		},
		{
			Method: remove, Path: path, Right: labels.TakeOff, Object: "manifest",
			ID: "takeLabel", Summary: "Take a label off an artifact",
			Query: []rest.Parameter{
				{Name: "name", About: "of the label", Kind: rest.KindText},
				{Name: "global", About: "true: that of all projects, where the project has one of the name too", Kind: rest.KindText},
			},
			Status: 204, Serve: a.labelTake,
		},
	}
}

func (a *API) labelList(asked *rest.Ask) (any, error) {
	q := asked.List()
	found, more, err := a.cfg.Policies.Labels.List(asked.Context(), asked.Caller, asked.PathValue("project"),
		labels.Query{Match: q.Match, Last: q.Last, N: q.N})
	if err != nil {
		return nil, err
	}
	var items []Label
	for _, l := range found {
		items = append(items, labelOf(l))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(l Label) string { return l.Name })), nil
}

func (a *API) labelCreate(asked *rest.Ask) (any, error) {
	var c LabelChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	made, err := a.cfg.Policies.Labels.Create(asked.Context(), asked.Caller, asked.PathValue("project"), c.spec())
	if err != nil {
		return nil, err
	}
	out := labelOf(made)
	asked.W.Header().Set("Location", asked.URL.EscapedPath()+"/"+out.ID)
	return out, nil
}

func (c LabelChange) spec() labels.Spec {
	return labels.Spec{Name: c.Name, Description: c.Description, Color: c.Color}
}

func (a *API) labelGet(asked *rest.Ask) (any, error) {
	id, err := work.Numbered(asked.PathValue("label"))
	if err != nil {
		return nil, err
	}
	l, err := a.cfg.Policies.Labels.Get(asked.Context(), asked.Caller, asked.PathValue("project"), id)
	return labelOf(l), err
}

func (a *API) labelChange(asked *rest.Ask) (any, error) {
	id, err := work.Numbered(asked.PathValue("label"))
	if err != nil {
		return nil, err
	}
	var c LabelChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	spec := c.spec()
	spec.If = func(now labels.Label) error { return asked.Unchanged(labelOf(now)) }
	l, err := a.cfg.Policies.Labels.Change(asked.Context(), asked.Caller, asked.PathValue("project"), id, spec)
	return labelOf(l), err
}

func (a *API) labelDelete(asked *rest.Ask) (any, error) {
	id, err := work.Numbered(asked.PathValue("label"))
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Policies.Labels.Remove(asked.Context(), asked.Caller, asked.PathValue("project"), id)
}

func (a *API) labelRestore(asked *rest.Ask) (any, error) {
	var body LabelRestored
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	l, err := a.cfg.Policies.Labels.Restore(asked.Context(), asked.Caller, asked.PathValue("project"), body.Name)
	return labelOf(l), err
}

// labelled is the artifact that the path names.
func (a *API) labelled(asked *rest.Ask) (on labels.Artifact, err error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return on, err
	}
	on = labels.Artifact{Repository: name.Repository, Digest: name.Digest}
	if name.Tag != "" {
		desc, err := a.cfg.DB.ManifestByTag(asked.Context(), name.Repository, name.Tag)
		on.Digest = desc.Digest
		return on, err
	}
	return on, nil
}

func (a *API) labelPut(asked *rest.Ask) (any, error) {
	var l LabelName
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	on, err := a.labelled(asked)
	if err != nil {
		return nil, err
	}
	which := labels.Which{Name: l.Name, Global: l.Global}
	return nil, a.cfg.Policies.Labels.Put(asked.Context(), asked.Caller, on, which)
}

func (a *API) labelTake(asked *rest.Ask) (any, error) {
	which := labels.Which{Name: asked.Query.Get("name")}
	switch text := asked.Query.Get("global"); text {
	case "", "false":
	case "true":
		which.Global = true
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "query: global %q is neither true nor false", text)
	}
	on, err := a.labelled(asked)
	if err != nil {
		return nil, err
	}
	return nil, a.cfg.Policies.Labels.Take(asked.Context(), asked.Caller, on, which)
}
