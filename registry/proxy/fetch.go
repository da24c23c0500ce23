package proxy

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/registry/metadata/usage"
	"cove/registry/proxy/transit"
	"cove/registry/span"
)

// source is where one blob comes from. It is a transit.Upstream.
type source struct {
	*upstream
	repo string
	dgst digest.Digest
}

// Host implements transit.Upstream.
func (s source) Host() string { return s.Proxy.Host }

// Describe implements transit.Upstream.
func (s source) Describe(ctx context.Context) (ocispec.Descriptor, error) {
	return s.blob(ctx, s.repo, s.dgst)
}

// Take implements transit.Upstream.
func (s source) Take(ctx context.Context) (release func(), err error) { return s.take(ctx) }

// Open implements transit.Upstream.
func (s source) Open(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	return s.remote(s.repo).Repo.OpenBlob(ctx, desc, 0, nil)
}

// Pass implements transit.Upstream.
func (s source) Pass(ctx context.Context, bytes int) error {
	if s.limit == nil {
		return nil
	}
	return s.limit.WaitN(ctx, bytes)
}

// Heard implements transit.Upstream.
func (s source) Heard(err error) error { return s.heard("blob "+s.repo+"@"+s.dgst.String(), err) }

// fetch returns the blob that is on the way, or begins it. Its caller has joined it.
func (p *Proxies) fetch(
	ctx context.Context, u *upstream, into distribution.Registry, repo string, dgst digest.Digest,
) *transit.Blob {
	key := repo + "@" + dgst.String()
	u.mu.Lock()
	defer u.mu.Unlock()
	if b := u.fetches[key]; b != nil {
		b.Join()
		return b
	}
	b := transit.New(transit.Way{
		Repository: repo, Digest: dgst, From: source{u, repo, dgst}, Into: into, Spool: p.cfg.Spool,
		Room: func(ctx context.Context, bytes int64) (transit.Claim, error) {
			return p.room(ctx, u, repo, bytes)
		},
		Unkept: func(ctx context.Context, desc ocispec.Descriptor, err error) {
			p.passed.Add(1)
			p.cfg.Log.WarnContext(ctx, "a proxy passes a blob on and does not keep it", "repository", repo,
				"digest", desc.Digest, "size", desc.Size, "error", err)
		},
	})
	b.Join()
	u.fetches[key] = b
	p.workers.Go(func() {
		b.Run(p.through(span.Carry(p.own, ctx), ctx)) // it outlives who asked first
		u.mu.Lock()
		delete(u.fetches, key)
		u.mu.Unlock()
	})
	return b
}

// room asks whether the project may have so many bytes beside those that it has and those
// that are coming: what does not fit is not found out at its last byte.
func (p *Proxies) room(ctx context.Context, u *upstream, repo string, bytes int64) (transit.Claim, error) {
	id, err := p.cfg.DB.Repository(ctx, repo)
	if err != nil {
		return nil, err
	}
	// While it is asked nothing goes from the one to the other, and counts twice or not at all.
	u.settling.Lock()
	defer u.settling.Unlock()
	room, err := usage.RoomOf(ctx, p.cfg.DB.Querier(), id)
	if err == nil {
		err = room.Takes(u.coming.Load() + bytes)
	}
	if err != nil {
		return nil, err
	}
	u.coming.Add(bytes)
	return func(commit func() error) error {
		u.settling.RLock()
		defer u.settling.RUnlock()
		defer u.coming.Add(-bytes)
		if commit == nil {
			return nil
		}
		return commit()
	}, nil
}

// follow reads a blob as it comes.
func (p *Proxies) follow(
	ctx context.Context, u *upstream, into distribution.Registry, repo string, dgst digest.Digest,
) (content.Reader, error) {
	return p.fetch(ctx, u, into, repo, dgst).Read(ctx)
}
