package client

import (
	"context"
	"errors"

	"cove/distribution/client/credentials"
	"cove/distribution/client/hosts"
	"cove/errdefs"
)

// Ping checks that host is a registry that lets the keychain's credentials in.
func (c *Client) Ping(ctx context.Context, host string) error {
	p := c.wire.Peer(hosts.BaseOf(host))
	creds, err := p.Credentials(ctx)
	if err != nil {
		return err
	}
	return p.Enter(ctx, creds)
}

// SignedIn says that the keychain has something to sign in to host with.
func (c *Client) SignedIn(ctx context.Context, host string) bool {
	creds, err := c.wire.Peer(hosts.BaseOf(host)).Credentials(ctx)
	return err == nil && !creds.IsZero()
}

// Login checks user and password at host. It stores nothing; that is
// credentials.Store's.
func (c *Client) Login(ctx context.Context, host, user, password string) error {
	err := c.wire.Peer(hosts.BaseOf(host)).Enter(ctx, credentials.Credentials{Username: user, Password: password})
	if errors.Is(err, errdefs.ErrUnauthenticated) {
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "401 from registry %s: wrong user name or password", host)
	}
	return err
}
