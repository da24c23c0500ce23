// Package work has the pages of what a registry does by rule and apart from
// requests: its jobs, and the policies of its projects.
package work

import (
	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/policies"
	"cove/registry/web/page"
)

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	policies *policies.Policies
}

// New returns the pages.
func New(desk *page.Desk, p *policies.Policies) *Pages { return &Pages{desk, p} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return []page.Row{
		get("/jobs", auth.ManageJobs, "jobs", p.jobs),
		get("/jobs/{job}", auth.ManageJobs, "jobs", p.job),
		post("/jobs/{job}/stop", auth.ManageJobs, "jobs", p.jobStop),
		post("/jobs/{job}/retry", auth.ManageJobs, "jobs", p.jobRetry),

		get("/history/{repository...}", history.Look, "repository", p.history),
		post("/restore/{repository...}", history.Undo, "repository", p.historyRestore),
		post("/repositories/delete/{repository...}", history.RemoveRepository, "repository", p.repositoryDelete),

		get("/projects/{project}/policies", readPolicies, "project", p.projectPolicies),
		post("/projects/{project}/immutable", immutable.Create, "project", p.immutableAdd),
		post("/projects/{project}/immutable/{rule}/remove", immutable.Remove, "project", p.immutableRemove),
	}
}
