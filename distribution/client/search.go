package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cove/distribution/client/hosts"
	"cove/distribution/client/wire"
	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/reference"
)

// Found is a repository that a search found.
type Found struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Stars       int    `json:"star_count"`
	Official    bool   `json:"is_official"`
	Automated   bool   `json:"is_automated"`
}

// searchHub is where docker.io is searched.
const searchHub = "index.docker.io"

// Search finds repositories of host by a part of their name: with the registry's own
// search (GET /v1/search, as docker.io has it), or in its catalog. It returns limit of
// them at most.
func (c *Client) Search(ctx context.Context, host, term string, limit int) ([]Found, error) {
	base := hosts.BaseOf(host)
	if host == reference.DefaultRegistry {
		base.Addr = searchHub
	}
	found, err := c.search(ctx, c.wire.Peer(base), term, limit)
	var refused *errcode.Error
	if err == nil || host == reference.DefaultRegistry ||
		!errors.As(err, &refused) && !errors.Is(err, errdefs.ErrInvalid) {
		return found, err
	}
	names, err := c.Catalog(ctx, host)
	if err != nil {
		return nil, err
	}
	found = nil
	for _, name := range names {
		if strings.Contains(strings.ToLower(name), strings.ToLower(term)) && len(found) < limit {
			found = append(found, Found{Name: name})
		}
	}
	return found, nil
}

// search asks for the old search of version 1. What a page for people answers is
// errdefs.ErrInvalid.
func (c *Client) search(ctx context.Context, p *wire.Peer, term string, limit int) ([]Found, error) {
	query := url.Values{"q": {term}, "n": {strconv.Itoa(limit)}}
	var body []byte
	err := c.retry.Do(ctx, func() error {
		in := wire.Request{Method: http.MethodGet, API: "/v1", Path: "/search?" + query.Encode()}
		resp, err := p.Do(ctx, in, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
		return err
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results *[]Found `json:"results"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Results == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "registry %s: its answer to a search is none", p.Host)
	}
	return slices.Clone((*answer.Results)[:min(limit, len(*answer.Results))]), nil
}
