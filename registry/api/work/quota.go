package work

import (
	"github.com/opencontainers/go-digest"

	"cove/registry/api/rest"
	"cove/registry/quota"
)

// Quota is what a project uses, in bytes.
type Quota struct {
	ID      string `json:"id"` // of the project, as metrics name it
	Project string `json:"project"`
	Used    int64  `json:"used"`
	// Waiting does not count: no manifest needs it, and the collector takes it.
	Waiting int64 `json:"waiting"`
	Limit   int64 `json:"limit"` // -1 for none
	Own     bool  `json:"own"`   // the limit is the project's own, not that of all
}

// QuotaOf is a quota as the API and the command line show it.
func QuotaOf(u quota.Usage) Quota {
	return Quota{id(u.ID), u.Project, u.Used, u.Waiting, u.Limit, u.Own}
}

// Limit is how many bytes may be used.
type Limit struct {
	Limit int64 `json:"limit"` // a number of bytes, -1 for no limit
}

// RecountRequest says what is to be counted anew.
type RecountRequest struct {
	Project string `json:"project,omitempty"` // every one if it is not said
	Mend    bool   `json:"mend,omitempty"`    // has the sums be what is found
}

// Recount is what was found of a project.
type Recount struct {
	Project string `json:"project"`
	Equal   bool   `json:"equal"`
	Digests int    `json:"digests"` // that are not counted right
	// Used and Waiting are by how many bytes the sums were too small.
	Used    int64 `json:"used"`
	Waiting int64 `json:"waiting"`
	Mended  bool  `json:"mended"`
	// Repositories are how many held another number of bytes than was kept of them.
	Repositories int `json:"repositories"`
}

// Recounts are those of all projects that were counted.
type Recounts struct {
	Items []Recount `json:"items"`
}

// RecountOf is one as the API and the command line show it.
func RecountOf(r quota.Recount) Recount {
	digests := map[digest.Digest]bool{}
	for _, d := range r.Differences {
		digests[d.Digest] = true
	}
	for _, d := range r.Holders {
		digests[d] = true
	}
	return Recount{r.Project, r.Equal(), len(digests), r.Used, r.Waiting, r.Mended, r.Repositories}
}

// Share is what something holds, in bytes, each digest once.
type Share struct {
	Held int64 `json:"held"`
	// Alone is what nothing else in the registry has, and deleting it frees; Shared is
	// the rest.
	Alone  int64 `json:"alone"`
	Shared int64 `json:"shared"`
	// Counted is what stops counting in the project when it is deleted.
	Counted int64 `json:"counted"`
}

// ShareOf is one as the API and the command line show it.
func ShareOf(s quota.Share) Share { return Share{s.Held, s.Alone, s.Shared(), s.Counted} }

func (w *Work) quotas() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/quotas", Right: quota.Set, Object: "quotas",
			ID: "listQuotas", Summary: "What all projects use, by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[Quota]{},
			Status: 200, Serve: w.quotaList,
		},
		{
			Method: get, Path: "/quotas/default", Right: quota.Set, Object: "quotas",
			ID: "getDefaultQuota", Summary: "The limit of projects without one of their own",
			Answer: Limit{},
			Status: 200, Serve: w.quotaDefault,
		},
		{
			Method: put, Path: "/quotas/default", Right: quota.Set, Object: "quotas",
			ID: "setDefaultQuota", Summary: "Limit projects without a limit of their own",
			Body:   Limit{},
			Status: 204, Serve: w.quotaSetDefault,
		},
		{
			Method: post, Path: "/quotas/recount", Right: quota.Set, Object: "quotas",
			ID: "recountQuotas", Summary: "Count anew what projects use",
			Body:   RecountRequest{},
			Answer: Recounts{},
			Status: 200, Serve: w.quotaRecount,
		},
		{
			Method: get, Path: "/projects/{project}/quota", Right: quota.Look, Object: "project",
			ID: "getQuota", Summary: "What a project uses, and may use",
			Answer: Quota{},
			Status: 200, ETag: true, Serve: w.quota,
		},
		{
			Method: put, Path: "/projects/{project}/quota", Right: quota.Set, Object: "quotas",
			ID: "setQuota", Summary: "Limit how many bytes a project uses",
			Body:   Limit{},
			Answer: Quota{},
			Status: 200, Serve: w.quotaSet,
		},
		{
			Method: remove, Path: "/projects/{project}/quota", Right: quota.Set, Object: "quotas",
			ID: "deleteQuota", Summary: "Take its own limit from a project, so that that of all holds",
			Status: 204, Serve: w.quotaRemove,
		},
	}
}

func (w *Work) usage() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/usage", Right: quota.Look, Object: "project",
			ID: "explainProject", Summary: "What a project holds, and what deleting it would free",
			Answer: Share{},
			Status: 200, Serve: w.explainProject,
		},
		{
			Method: get, Path: "/usage/{repository...}", Right: quota.Look, Object: "repository",
			ID: "explainRepository", Summary: "What a repository, or an artifact of it, holds, and what deleting it would free",
			Query: []rest.Parameter{
				{Name: "tag", About: "only the artifact of this tag, with what only it lists", Kind: rest.KindText},
				{Name: "digest", About: "only this artifact", Kind: rest.KindText},
			},
			Answer: Share{},
			Status: 200, Serve: w.explainRepository,
		},
	}
}

func (w *Work) explainProject(asked *rest.Ask) (any, error) {
	share, err := w.p.Quotas.Explain(asked.Context(), asked.Caller, asked.PathValue("project"))
	return ShareOf(share), err
}

func (w *Work) explainRepository(asked *rest.Ask) (any, error) {
	ref, err := repository(asked)
	if err != nil {
		return nil, err
	}
	if dgst := asked.Query.Get("digest"); dgst != "" {
		ref += "@" + dgst
	} else if tag := asked.Query.Get("tag"); tag != "" {
		ref += ":" + tag
	}
	share, err := w.p.Quotas.Explain(asked.Context(), asked.Caller, ref)
	return ShareOf(share), err
}

func (w *Work) quotaList(asked *rest.Ask) (any, error) {
	all, err := w.p.Quotas.List(asked.Context(), asked.Caller, asked.Query.Get("after"), asked.Limit+1)
	if err != nil {
		return nil, err
	}
	more := len(all) > asked.Limit
	if more {
		all = all[:asked.Limit]
	}
	items := make([]Quota, len(all))
	for i, u := range all {
		items[i] = QuotaOf(u)
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(q Quota) string { return q.Project })), nil
}

func (w *Work) quotaDefault(asked *rest.Ask) (any, error) {
	bytes, err := w.p.Quotas.Default(asked.Context(), asked.Caller)
	return Limit{bytes}, err
}

func (w *Work) quotaSetDefault(asked *rest.Ask) (any, error) {
	var l Limit
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	return nil, w.p.Quotas.Limit(asked.Context(), asked.Caller, "", &l.Limit)
}

func (w *Work) quotaRecount(asked *rest.Ask) (any, error) {
	var r RecountRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	all, err := w.p.Quotas.Recount(asked.Context(), asked.Caller, r.Project, r.Mend)
	out := Recounts{Items: make([]Recount, len(all))}
	for i, one := range all {
		out.Items[i] = RecountOf(one)
	}
	return out, err
}

func (w *Work) quota(asked *rest.Ask) (any, error) {
	u, err := w.p.Quotas.Of(asked.Context(), asked.Caller, asked.PathValue("project"))
	return QuotaOf(u), err
}

func (w *Work) quotaSet(asked *rest.Ask) (any, error) {
	var l Limit
	if err := asked.Read(&l); err != nil {
		return nil, err
	}
	project := asked.PathValue("project")
	if err := w.p.Quotas.Limit(asked.Context(), asked.Caller, project, &l.Limit); err != nil {
		return nil, err
	}
	return w.quota(asked)
}

func (w *Work) quotaRemove(asked *rest.Ask) (any, error) {
	return nil, w.p.Quotas.Limit(asked.Context(), asked.Caller, asked.PathValue("project"), nil)
}
