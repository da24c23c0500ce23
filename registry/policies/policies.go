// Package policies gathers the services over what a registry does by rule and apart
// from requests, so that pages, API and command line are given one thing. Each asks
// package auth whether its caller may.
package policies

import (
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Policies are the services.
type Policies struct {
	Jobs *jobs.Jobs
}

// New returns the services over db, which stays the caller's.
func New(db *metadata.DB, judge auth.Judge) *Policies {
	return &Policies{
		Jobs: jobs.NewJobs(db, judge),
	}
}
