// Package images has the pages of what is stored: a repository with its tags, an
// artifact in depth, and the files of its layers.
package images

import (
	"cove/registry/auth"
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
		get("/repositories/{repository...}", auth.Read, "repository", p.repository),
		post("/tags/delete/{repository...}", auth.Delete, "repository", p.tagsDelete),
		post("/tags/restore/{repository...}", auth.Push, "repository", p.tagsRestore),
		get("/artifacts/{artifact...}", auth.Read, "manifest", p.artifact),
		get("/compare/{artifact...}", auth.Pull, "manifest", p.compare),
		get("/files/{artifact...}", auth.Pull, "manifest", p.files),
		get("/download/{artifact...}", auth.Pull, "manifest", p.download),
		post("/artifacts/delete/{artifact...}", auth.Delete, "manifest", p.artifactDelete),
	}
}
