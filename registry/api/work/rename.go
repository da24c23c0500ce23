package work

import (
	"time"

	"cove/reference"
	"cove/registry/api/rest"
	"cove/registry/metadata/names"
	"cove/registry/rename"
)

// Renaming says what a repository or project is to be called.
type Renaming struct {
	// To is the new name: of a project, or a full name of a repository, in the same project
	// or in another.
	To string `json:"to"`
	// KeepDays is how long the old name is good for pulls; 0 is not at all, and 90 when it
	// is left out.
	KeepDays *int `json:"keepDays,omitempty"`
}

// Renamed tells what a rename did.
type Renamed struct {
	Name         string     `json:"name"`
	Repositories int        `json:"repositories"`
	Until        *time.Time `json:"until,omitempty"` // the old name is good for pulls
	Notes        []string   `json:"notes"`           // what did not follow the new name
}

// FormerName is a name that a project or repository had.
type FormerName struct {
	Name  string    `json:"name"`
	Now   string    `json:"now"`
	Until time.Time `json:"until"` // it is good for pulls
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// FormerNames are those of a project and its repositories, by name.
type FormerNames struct {
	Items []FormerName `json:"items"`
}

// FormerNameOf is one as the API and the command line show it.
func FormerNameOf(f names.Former) FormerName {
	return FormerName{f.Name, f.Now, f.Until.UTC(), f.By, f.At.UTC()}
}

func (w *Work) renames() []rest.Operation {
	return []rest.Operation{
		{
			Method: post, Path: "/rename/{repository...}", Right: rename.OfRepository, Object: "repository",
			ID:      "renameRepository",
			Summary: "Give a repository another name, also in another project; the old one pulls for a time",
			Body:    Renaming{},
			Answer:  Renamed{},
			Status:  200, Serve: w.renameRepository,
		},
		{
			Method: post, Path: "/projects/{project}/rename", Right: rename.OfProject, Object: "project",
			ID:      "renameProject",
			Summary: "Give a project another name, and so its repositories; the old one is good for pulls for a time",
			Body:    Renaming{},
			Answer:  Renamed{},
			Status:  200, Serve: w.renameProject,
		},
		{
			Method: get, Path: "/projects/{project}/former-names", Right: rename.List, Object: "project",
			ID: "listFormerNames", Summary: "Names that a project and its repositories had and that are good for pulls",
			Answer: FormerNames{},
			Status: 200, Serve: w.formerNames,
		},
		{
			Method: remove, Path: "/projects/{project}/former-names/{name...}", Right: rename.Release,
			Object: "project",
			ID:     "releaseFormerName", Summary: "Have a former name be good for pulls no more, and free for others",
			Status: 204, Serve: w.releaseName,
		},
	}
}

// request reads what something is to be called.
func request(asked *rest.Ask, from string) (r rename.Request, err error) {
	var body Renaming
	if err := asked.Read(&body); err != nil {
		return r, err
	}
	r = rename.Request{From: from, To: body.To, Keep: rename.DefaultKeep}
	if body.KeepDays != nil {
		r.Keep = time.Duration(*body.KeepDays) * 24 * time.Hour
	}
	return r, nil
}

func renamed(d rename.Done, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return Renamed{d.Name, d.Repositories, rest.Moment(d.Until), append([]string{}, d.Notes...)}, nil
}

func (w *Work) renameRepository(asked *rest.Ask) (any, error) {
	repo, err := repository(asked)
	if err != nil {
		return nil, err
	}
	r, err := request(asked, repo)
	if err != nil {
		return nil, err
	}
	return renamed(w.p.Names.Repository(asked.Context(), asked.Caller, r))
}

func (w *Work) renameProject(asked *rest.Ask) (any, error) {
	r, err := request(asked, asked.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return renamed(w.p.Names.Project(asked.Context(), asked.Caller, r))
}

func (w *Work) formerNames(asked *rest.Ask) (any, error) {
	all, err := w.p.Names.Former(asked.Context(), asked.Caller, asked.PathValue("project"))
	if err != nil {
		return nil, err
	}
	found := FormerNames{Items: []FormerName{}}
	for _, f := range all {
		found.Items = append(found.Items, FormerNameOf(f))
	}
	return found, nil
}

func (w *Work) releaseName(asked *rest.Ask) (any, error) {
	name := asked.PathValue("name")
	if !reference.ValidRepository(name) {
		return nil, rest.Invalid("%q: that is no name of a project or repository", name)
	}
	return nil, w.p.Names.Release(asked.Context(), asked.Caller, asked.PathValue("project"), name)
}
