package server

import (
	"context"
	"errors"

	"github.com/docker/go-units"

	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/filter"
	"cove/internal/plural"
	"cove/registry/garbage"
	"cove/registry/history"
	"cove/registry/jobs"
	"cove/registry/policies"
	"cove/registry/seal"
	"cove/registry/store"
)

// kinds are all that a server does apart from requests.
func (s *Server) kinds() []jobs.Kind {
	return append(s.policies.Kinds(), jobs.Kind{
		Name: garbage.JobKind, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			got, err := s.registry.CollectAlone(ctx)
			if errors.Is(err, store.ErrCollecting) {
				return "a collection was going on", nil
			}
			return plural.Sprintf("removed %d contents (%s), %d blobs from repositories, %d uploads that nobody finished", got.Blobs,
				units.HumanSize(float64(got.Bytes)), got.Memberships, got.Uploads), err
		},
	}, jobs.Kind{
		Name: policies.ProxyEviction, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			n, err := s.upstream.Evict(ctx, s.registry)
			return plural.Sprintf("removed tags and manifests: %d", n), err
		},
	})
}

// schedules are those that the server itself has.
func schedules() []jobs.Schedule {
	return append(policies.Schedules(), jobs.Schedule{Kind: policies.ProxyEviction, Cron: "17 * * * *"})
}

// policyConfig is what the services over policies need in a server.
func (s *Server) policyConfig(served distribution.Registry, renamed func()) policies.Config {
	cfg := policies.Config{
		DB: s.state.db, Judge: s.cfg.Judge(), AuditKeep: s.cfg.Audit.KeepFor(), Registry: served, Spool: s.cfg.Root,
		Box: seal.In(s.state.root), Client: client.Config{UserAgent: userAgent}, Log: s.log,
		Outbound: s.cfg.Outbound.Policy(), Host: s.cfg.Host(), Robots: s.state.services.Robots,
		Address: s.cfg.Address(), ReadOnly: s.live.ReadOnly, Records: s.state.storage.Records, Renamed: renamed,
	}
	cfg.Bin = &history.Bin{
		Registry: filter.ReadOnlyWhile(s.registry, s.live.ReadOnly), DB: s.state.db, Bytes: s.state.storage.Bytes,
		Grace: s.live.Lives().Grace,
	}
	return cfg
}
