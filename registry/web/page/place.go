package page

import (
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/signing"
)

// Place is what all pages of one project show.
type Place struct {
	Project            browse.Project
	MayManage, MayPush bool
	MaySeeMembers      bool
	MaySeePolicies     bool
	MaySeeUsage        bool
	MaySeeWebhooks     bool
	MaySeeScans        bool
	MaySeeLabels       bool
	SignedOnly         bool // only signed images are pulled
	Default            bool // the project that cannot go
}

// Place is the project that the request's path names.
func (p *Desk) Place(a *Ask) (*Place, error) {
	project, err := p.Browse.Project(a.Context(), a.Caller, a.PathValue("project"))
	if err != nil {
		return nil, err
	}
	signed, err := signing.Required(a.Context(), p.DB.Querier(), project.Name)
	if err != nil {
		return nil, err
	}
	return &Place{
		Project: project, SignedOnly: signed, Default: project.Name == metadata.DefaultProject,
		MayManage:      p.Browse.May(a.Context(), a.Caller, auth.SetMembers, project.Name),
		MaySeeMembers:  p.Browse.May(a.Context(), a.Caller, auth.ListMembers, project.Name),
		MaySeePolicies: p.Browse.May(a.Context(), a.Caller, "configuration:read", project.Name),
		MaySeeLabels:   p.Browse.May(a.Context(), a.Caller, labels.List, project.Name),
		MaySeeScans:    p.Browse.May(a.Context(), a.Caller, "scan:read", project.Name),
		MaySeeUsage:    p.Browse.May(a.Context(), a.Caller, "quota:read", project.Name),
		MaySeeWebhooks: p.Browse.May(a.Context(), a.Caller, "notification-policy:list", project.Name),
		MayPush:        p.Browse.May(a.Context(), a.Caller, auth.Push, project.Name),
	}, nil
}
