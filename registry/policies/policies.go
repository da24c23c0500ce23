// Package policies gathers the services over what a registry does by rule and apart
// from requests, so that pages, API and command line are given one thing. Each asks
// package auth whether its caller may.
package policies

import (
	"context"
	"log/slog"
	"time"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/filter"
	"cove/registry/auth"
	"cove/registry/describe"
	"cove/registry/garbage"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/jobs"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/quota"
	"cove/registry/records"
	"cove/registry/rename"
	"cove/registry/replication"
	"cove/registry/replication/endpoint"
	"cove/registry/retention"
	"cove/registry/robots"
	"cove/registry/scan"
	"cove/registry/seal"
	"cove/registry/signing"
	"cove/registry/webhook"
)

// Policies are the services.
type Policies struct {
	Describe  *describe.Service
	Jobs      *jobs.Jobs
	History   *history.History
	Immutable *immutable.Rules
	Garbage   *garbage.Collecting
	Labels    *labels.Labels
	Names     *rename.Names
	Quotas    *quota.Quotas
	Retention *retention.Retention
	Scans     *scan.Scans
	Signing   *signing.Signing
	Webhooks  *webhook.Webhooks
	// Endpoints are the registries of the rules of Replication.
	Endpoints   *endpoint.Service
	Replication *replication.Service

	db        *metadata.DB
	auditKeep time.Duration
}

// Config is what the services need. Bin is nil beside a server, which is then asked
// by jobs.
type Config struct {
	DB    *metadata.DB // stays the caller's
	Judge auth.Judge
	Bin   *history.Bin
	// Registry has what is scanned, signed and replicated, the last this by a client as Client says;
	// nil beside a server. Spool is a folder for temporary files.
	Registry distribution.Registry
	Spool    string
	Client   client.Config
	Log      *slog.Logger
	// Bytes opens what is stored, where Registry is nil; what it returns is called after.
	Bytes func(ctx context.Context) (content.Provider, func() error, error)
	// Box has the secrets of endpoints and webhooks, Outbound says where these may go,
	// and Host is HOST[:PORT] of the registry in what they send.
	Box      *seal.Box
	Outbound outbound.Policy
	Host     string
	// Robots makes the accounts by which scanners pull from Address, as https://HOST[:PORT].
	Robots  *robots.Robots
	Address string
	// ReadOnly says why nothing is renamed; "" while it is. Records keep what the database
	// says, and Renamed is called after a rename. They are of a server.
	ReadOnly func() string
	Records  *records.Records
	Renamed  func()
	// AuditKeep is how long a line of the audit log is kept.
	AuditKeep time.Duration
}

// New returns the services.
func New(cfg Config) *Policies {
	endpoints := endpoint.New(cfg.DB, cfg.Judge, cfg.Box, cfg.Outbound)
	var served distribution.Registry
	if cfg.Bin != nil {
		served = cfg.Bin.Registry
	}
	p := &Policies{
		db: cfg.DB, auditKeep: cfg.AuditKeep,
		Describe:  describe.New(cfg.DB, cfg.Judge),
		Jobs:      jobs.NewJobs(cfg.DB, cfg.Judge),
		History:   history.New(cfg.DB, cfg.Judge, cfg.Bin),
		Immutable: immutable.New(cfg.DB, cfg.Judge),
		Garbage:   garbage.NewCollecting(cfg.DB, cfg.Judge),
		Labels:    labels.New(cfg.DB, cfg.Judge, replication.Labelled),
		Names: rename.New(rename.Config{
			DB: cfg.DB, Judge: cfg.Judge, Serves: cfg.Registry != nil, ReadOnly: cfg.ReadOnly, Records: cfg.Records,
			Tell: replication.Stored, Renamed: cfg.Renamed,
		}),
		Quotas:    quota.New(cfg.DB, cfg.Judge),
		Retention: retention.New(cfg.DB, cfg.Judge, served),
		Scans: scan.New(scan.Config{
			DB: cfg.DB, Judge: cfg.Judge, Registry: cfg.Registry, Spool: cfg.Spool, Box: cfg.Box,
			Outbound: cfg.Outbound,
			Robots:   cfg.Robots, Address: cfg.Address,
		}),
		Signing: signing.New(signing.Config{DB: cfg.DB, Judge: cfg.Judge, Registry: cfg.Registry, Bytes: cfg.Bytes}),
		Webhooks: webhook.New(webhook.Config{
			DB: cfg.DB, Judge: cfg.Judge, Box: cfg.Box, Outbound: cfg.Outbound, Host: cfg.Host,
		}),
		Endpoints: endpoints,
		Replication: replication.New(replication.Config{
			DB: cfg.DB, Judge: cfg.Judge, Endpoints: endpoints, Registry: cfg.Registry, Client: cfg.Client,
			Log: cfg.Log,
		}),
	}
	p.Jobs.Know(garbage.JobKind, ProxyEviction)
	for _, kind := range p.Kinds() {
		p.Jobs.Know(kind.Name)
	}
	return p
}

// Guards are what is asked before anything is pulled. Each refuses with
// errdefs.ErrDenied and says why.
func (p *Policies) Guards() []filter.Guard {
	return []filter.Guard{p.Signing.MayPull, p.Scans.Gates.MayPull}
}

// Now is the time that the servers of the registry agree on.
func (p *Policies) Now() time.Time { return p.db.Now() }
