package page

import (
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
)

// Place is what all pages of one project show.
type Place struct {
	Project            browse.Project
	MayManage, MayPush bool
	MaySeeMembers      bool
	MaySeePolicies     bool
	Default            bool // the project that cannot go
}

// Place is the project that the request's path names.
func (p *Desk) Place(a *Ask) (*Place, error) {
	project, err := p.Browse.Project(a.Context(), a.Caller, a.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return &Place{
		Project: project, Default: project.Name == metadata.DefaultProject,
		MayManage:      p.Browse.May(a.Context(), a.Caller, auth.SetMembers, project.Name),
		MaySeeMembers:  p.Browse.May(a.Context(), a.Caller, auth.ListMembers, project.Name),
		MaySeePolicies: p.Browse.May(a.Context(), a.Caller, "configuration:read", project.Name),
		MayPush:        p.Browse.May(a.Context(), a.Caller, auth.Push, project.Name),
	}, nil
}
