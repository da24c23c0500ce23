// Package policies gathers the services over what a registry does by rule and apart
// from requests, so that pages, API and command line are given one thing. Each asks
// package auth whether its caller may.
package policies

import (
	"time"

	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Policies are the services.
type Policies struct {
	Jobs      *jobs.Jobs
	History   *history.History
	Immutable *immutable.Rules

	db        *metadata.DB
	auditKeep time.Duration
}

// Config is what the services need. Bin is nil beside a server, which is then asked
// by jobs.
type Config struct {
	DB    *metadata.DB // stays the caller's
	Judge auth.Judge
	Bin   *history.Bin
	// AuditKeep is how long a line of the audit log is kept.
	AuditKeep time.Duration
}

// New returns the services.
func New(cfg Config) *Policies {
	return &Policies{
		db: cfg.DB, auditKeep: cfg.AuditKeep,
		Jobs:      jobs.NewJobs(cfg.DB, cfg.Judge),
		History:   history.New(cfg.DB, cfg.Judge, cfg.Bin),
		Immutable: immutable.New(cfg.DB, cfg.Judge),
	}
}
