// Package images has the pages of what is stored: a repository with its tags, an
// artifact in depth, the files of its layers, and the labels that people put on it.
package images

import (
	"cove/registry/auth"
	"cove/registry/describe"
	"cove/registry/labels"
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
	const ofProject = "/projects/{project}/labels"
	return append(page.Live("/repositories/{repository...}", auth.Read, "repository", p.repository),
		post("/repositories/describe/{repository...}", describe.Change, "repository", p.describe),
		post("/tags/delete/{repository...}", auth.Delete, "repository", p.tagsDelete),
		post("/tags/restore/{repository...}", auth.Push, "repository", p.tagsRestore),
		get("/artifacts/{artifact...}", auth.Read, "manifest", p.artifact),
		get("/compare/{artifact...}", auth.Pull, "manifest", p.compare),
		get("/files/{artifact...}", auth.Pull, "manifest", p.files),
		get("/space/{artifact...}", auth.Pull, "manifest", p.space),
		get("/download/{artifact...}", auth.Pull, "manifest", p.download),
		post("/artifacts/delete/{artifact...}", auth.Delete, "manifest", p.artifactDelete),
		post("/artifacts/label/{artifact...}", labels.PutOn, "manifest", p.labelOn(true)),
		post("/artifacts/unlabel/{artifact...}", labels.TakeOff, "manifest", p.labelOn(false)),
		get(ofProject, labels.List, "project", p.labelList),
		post(ofProject, labels.Create, "project", p.labelCreate),
		post(ofProject+"/{label}", labels.Update, "project", p.labelChange),
		post(ofProject+"/{label}/remove", labels.Remove, "project", p.labelRemove),
		post(ofProject+"/restore", labels.Remove, "project", p.labelRestore),
		get("/labels", labels.Manage, "labels", p.labelList),
		post("/labels", labels.Manage, "labels", p.labelCreate),
		post("/labels/{label}", labels.Manage, "labels", p.labelChange),
		post("/labels/{label}/remove", labels.Manage, "labels", p.labelRemove),
		post("/labels/restore", labels.Manage, "labels", p.labelRestore),
	)
}
