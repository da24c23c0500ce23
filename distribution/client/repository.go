package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/distribution/client/hosts"
	"cove/distribution/client/wire"
	"cove/errdefs"
)

// Repository reads from and writes to one repository at one registry. It is
// safe for concurrent use.
type Repository struct {
	c          *Client
	host, name string
}

// Repository returns the repository name at the registry host, as
// ("docker.io", "library/redis"). Nothing is sent yet.
func (c *Client) Repository(host, name string) *Repository {
	return &Repository{c: c, host: host, name: name}
}

// Host is the registry, and Name the repository at it.
func (r *Repository) Host() string { return r.host }

// Name is described at Host.
func (r *Repository) Name() string { return r.name }

// String is HOST/NAME.
func (r *Repository) String() string { return r.host + "/" + r.name }

// origin is the registry itself, which alone is written to.
func (r *Repository) origin() *wire.Peer { return r.c.wire.Peer(hosts.BaseOf(r.host)) }

// scopes asks for actions here, and for pulls from others (to mount).
func (r *Repository) scopes(pullFrom []string, actions ...distribution.Action) []string {
	scope := func(repo string, actions ...distribution.Action) string {
		s, _ := auth.ScopeOf(distribution.Access{Repository: repo, Actions: actions})
		return s.String()
	}
	out := []string{scope(r.name, actions...)}
	for _, from := range pullFrom {
		if from != r.name {
			out = append(out, scope(from, distribution.Pull))
		}
	}
	return out
}

func (r *Repository) pullScopes() []string { return r.scopes(nil, distribution.Pull) }

func (r *Repository) pushScopes(mountFrom ...string) []string {
	return r.scopes(mountFrom, distribution.Pull, distribution.Push)
}

// read tries the mirrors and then the registry itself. What a mirror does not
// have, or a mirror that is down, falls through at once: only the registry is
// waited for. When all fail the registry's own error counts, with the mirrors'
// beside it.
func (r *Repository) read(ctx context.Context, do func(p *wire.Peer) error) error {
	var failed []error
	for _, b := range append(slices.Clone(r.c.mirrors[r.host]), hosts.BaseOf(r.host)) {
		p := r.c.wire.Peer(b)
		try := func() error { return do(p) }
		var err error
		if b.Mirror {
			err = try()
		} else {
			err = r.c.retry.Do(ctx, try)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	last := len(failed) - 1
	if last == 0 {
		return failed[0]
	}
	return fmt.Errorf("%w (mirrors before it: %w)", failed[last], errors.Join(failed[:last]...))
}

// about names the repository and what of it an error is about.
func (r *Repository) about(what string, err error) error {
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Side: r.String(), Object: what, Err: err}
	if inner, ok := errdefs.Outermost(err); ok && inner.Object == what { // a store names its blob itself
		e.Object = ""
	}
	return e
}
