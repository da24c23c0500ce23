package client

import (
	"context"
	"errors"
	"net/http"

	"cove/distribution/client/credentials"
	"cove/distribution/errcode"
	"cove/errdefs"
)

// Ping checks that host is a registry that lets the keychain's credentials in.
func (c *Client) Ping(ctx context.Context, host string) error {
	p := c.peer(baseOf(host))
	creds, err := p.credentials(ctx)
	if err != nil {
		return err
	}
	return p.enter(ctx, creds)
}

// Login checks user and password at host. It stores nothing; that is
// credentials.Store's.
func (c *Client) Login(ctx context.Context, host, user, password string) error {
	err := c.peer(baseOf(host)).enter(ctx, credentials.Credentials{Username: user, Password: password})
	if errors.Is(err, errdefs.ErrUnauthenticated) {
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "401 from registry %s: wrong user name or password", host)
	}
	return err
}

// enter asks for the base endpoint with creds.
func (p *peer) enter(ctx context.Context, creds credentials.Credentials) error {
	ch, err := p.handshake(ctx)
	if err != nil {
		return err
	}
	rt, err := p.authenticate(ctx, ch, creds, nil)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(ch, "/"), nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return explain(p.base, err)
	}
	defer drain(resp)
	if resp.StatusCode != http.StatusOK {
		return errcode.Parse(resp, p.host, p.c.cfg.Now())
	}
	return nil
}
