// Package work has the pages of what a registry does by rule and apart from
// requests: its jobs, and the policies of its projects.
package work

import (
	"slices"

	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/policies"
	"cove/registry/quota"
	"cove/registry/rename"
	"cove/registry/retention"
	"cove/registry/web/page"
)

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	policies *policies.Policies
	proxies  Proxies
}

// New returns the pages.
func New(desk *page.Desk, p *policies.Policies, proxies Proxies) *Pages {
	return &Pages{desk, p, proxies}
}

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return slices.Concat(page.Live("/jobs", auth.ManageJobs, "jobs", p.jobs),
		page.Live("/jobs/{job}", auth.ManageJobs, "jobs", p.job),
		page.Live("/replication", auth.ManageRegistries, "registries", p.replication),
		page.Live("/replication/runs/{run}", auth.ManageRegistries, "registries", p.run),
		[]page.Row{
			post("/jobs/{job}/stop", auth.ManageJobs, "jobs", p.jobStop),
			post("/jobs/{job}/retry", auth.ManageJobs, "jobs", p.jobRetry),
			post("/queues/{kind}/pause", auth.ManageJobs, "jobs", p.queuePause),
			post("/queues/{kind}/resume", auth.ManageJobs, "jobs", p.queueResume),

			post("/replication/endpoints", auth.ManageRegistries, "registries", p.endpointAdd),
			post("/replication/endpoints/test", auth.ManageRegistries, "registries", p.endpointTest),
			post("/replication/endpoints/remove", auth.ManageRegistries, "registries", p.endpointRemove),
			post("/replication/rules", auth.ManageRegistries, "registries", p.ruleAdd),
			post("/replication/rules/run", auth.ManageRegistries, "registries", p.ruleRun),
			post("/replication/rules/enable", auth.ManageRegistries, "registries", p.ruleEnable),
			post("/replication/rules/remove", auth.ManageRegistries, "registries", p.ruleRemove),
			post("/replication/proxies", auth.ManageRegistries, "registries", p.proxySet),
			post("/replication/proxies/remove", auth.ManageRegistries, "registries", p.proxyRemove),
			post("/replication/runs/{run}/stop", auth.ManageRegistries, "registries", p.runStop),
			post("/replication/runs/{run}/retry", auth.ManageRegistries, "registries", p.runRetry),

			get("/history/{repository...}", history.Look, "repository", p.history),
			post("/restore/{repository...}", history.Undo, "repository", p.historyRestore),
			post("/repositories/delete/{repository...}", history.RemoveRepository, "repository", p.repositoryDelete),

			post("/repositories/rename/{repository...}", rename.OfRepository, "repository", p.repositoryRename),
			post("/projects/{project}/rename", rename.OfProject, "project", p.projectRename),
			post("/projects/{project}/release", rename.Release, "project", p.nameRelease),

			get("/usage", quota.Set, "quotas", p.usage),
			get("/usage/{repository...}", quota.Look, "repository", p.repositoryUsage),
			post("/quota", quota.Set, "quotas", p.quotaSet),
			get("/projects/{project}/usage", quota.Look, "project", p.projectUsage),
			post("/projects/{project}/quota", quota.Set, "quotas", p.quotaSet),

			get("/projects/{project}/policies", readPolicies, "project", p.projectPolicies),
			post("/projects/{project}/immutable", immutable.Create, "project", p.immutableAdd),
			post("/projects/{project}/immutable/{rule}/remove", immutable.Remove, "project", p.immutableRemove),

			get("/projects/{project}/retention", retention.Look, "project", p.retentionPlan),
			post("/projects/{project}/retention", retention.Change, "project", p.retentionAdd),
			post("/projects/{project}/retention/{rule}/remove", retention.Change, "project", p.retentionRemove),
			post("/projects/{project}/retention/schedule", retention.Change, "project", p.retentionSchedule),
			post("/projects/{project}/retention/run", retention.Start, "project", p.retentionRun),
		})
}
