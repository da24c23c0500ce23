package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/distribution/client/hosts"
	"cove/distribution/client/wire"
	"cove/errdefs"
)

const (
	// pageSize is what we ask for; registries give less when they like.
	pageSize = 1000
	// maxPages, maxPage and maxList bound what a registry can make us collect,
	// the latter two in bytes.
	maxPages = 10_000
	maxPage  = 16 << 20
	maxList  = 128 << 20
)

// Tags lists the repository's tags.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	var out []string
	err := r.c.pages(ctx, r.origin(), "/"+r.name+"/tags/list", r.pullScopes(), func(body []byte) error {
		var page struct{ Tags []string }
		err := json.Unmarshal(body, &page)
		out = append(out, page.Tags...)
		return err
	})
	return out, r.about("tags", err)
}

// Catalog lists the repositories of host that the caller may see.
func (c *Client) Catalog(ctx context.Context, host string) ([]string, error) {
	scope, _ := auth.ScopeOf(distribution.Access{Actions: []distribution.Action{distribution.Pull}})
	var out []string
	peer := c.wire.Peer(hosts.BaseOf(host))
	err := c.pages(ctx, peer, "/_catalog", []string{scope.String()}, func(body []byte) error {
		var page struct{ Repositories []string }
		err := json.Unmarshal(body, &page)
		out = append(out, page.Repositories...)
		return err
	})
	return out, err
}

// pages follows the Link headers of a list.
func (c *Client) pages(
	ctx context.Context, p *wire.Peer, path string, scopes []string, add func(body []byte) error,
) error {
	if !strings.Contains(path, "?") && !strings.Contains(path, "/referrers/") {
		path += "?n=" + strconv.Itoa(pageSize)
	}
	left := maxList
	bounded := func(body []byte) error {
		left -= len(body)
		return add(body)
	}
	for range maxPages {
		next, err := c.onePage(ctx, p, path, scopes, bounded)
		if err != nil || next == "" {
			return err
		}
		if left < 0 || next == path {
			break
		}
		path = next
	}
	return errdefs.Errorf(errdefs.ErrExhausted, "registry %s: its list does not end", p.Host)
}

func (c *Client) onePage(
	ctx context.Context, p *wire.Peer, path string, scopes []string, add func(body []byte) error,
) (next string, err error) {
	var body []byte
	err = c.retry.Do(ctx, func() error {
		resp, err := p.Do(ctx, wire.Request{Method: http.MethodGet, Path: path, Scopes: scopes}, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		next = wire.NextPage(resp.Header.Values("Link"), resp.Request.URL, p.Prefix+"/v2")
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
		return err
	})
	if err != nil {
		return "", err
	}
	if err := add(body); err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid,
			"registry %s: its list is not JSON as the specification has it: %w", p.Host, err)
	}
	return next, nil
}
