package api

import (
	"cove/reference"
	"cove/registry/api/rest"
	"cove/registry/describe"
	"cove/registry/metadata"
)

// repositoryName is that of the path.
func repositoryName(asked *rest.Ask) (string, error) {
	repo := asked.PathValue("repository")
	if !reference.ValidRepository(repo) {
		return "", rest.Invalid("repository %q: that is no repository's name", repo)
	}
	return metadata.CanonicalName(repo), nil
}

func (a *API) repository(asked *rest.Ask) (any, error) {
	repo, err := repositoryName(asked)
	if err != nil {
		return nil, err
	}
	r, err := a.browse.Repository(asked.Context(), asked.Caller, repo)
	if err != nil {
		return nil, err
	}
	said, err := describe.Of(asked.Context(), a.cfg.DB.Querier(), repo)
	return DescribedRepository{r.Name, countOf(r.Tags), countOf(r.Artifacts), rest.Moment(r.PushedAt), said.Text}, err
}

func descriptionOf(d describe.Description) Description {
	if d.Text == "" {
		return Description{}
	}
	return Description{d.Text, d.By, rest.Moment(d.At)}
}

func (a *API) description(asked *rest.Ask) (any, error) {
	repo, err := repositoryName(asked)
	if err != nil {
		return nil, err
	}
	if _, err := a.cfg.DB.Repository(asked.Context(), repo); err != nil {
		return nil, err
	}
	said, err := describe.Of(asked.Context(), a.cfg.DB.Querier(), repo)
	return descriptionOf(said), err
}

func (a *API) describe(asked *rest.Ask) (any, error) {
	repo, err := repositoryName(asked)
	if err != nil {
		return nil, err
	}
	var wanted NewDescription
	if err := asked.Read(&wanted); err != nil {
		return nil, err
	}
	err = a.cfg.Policies.Describe.Set(asked.Context(), asked.Caller, repo, wanted.Text,
		func(now describe.Description) error { return asked.Unchanged(descriptionOf(now)) })
	if err != nil {
		return nil, err
	}
	said, err := describe.Of(asked.Context(), a.cfg.DB.Querier(), repo)
	return descriptionOf(said), err
}
