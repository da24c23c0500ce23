package outside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"cove/bench/asker"
	"cove/distribution/auth"
)

// tokens asks with the token that the registry wanted last, if it wants any. One that has
// ended is asked for anew. Its requests have bodies that can be sent again.
type tokens struct {
	base http.RoundTripper
	mu   sync.Mutex
	last string
}

// RoundTrip implements http.RoundTripper.
func (t *tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	token := t.last
	t.mu.Unlock()
	resp, err := t.base.RoundTrip(with(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	for _, c := range auth.ParseChallenges(resp.Header.Values("WWW-Authenticate")) {
		if !strings.EqualFold(c.Scheme, "bearer") {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // all of it was read
		if token, err = t.fetch(req, c); err != nil {
			return nil, err
		}
		again := with(req, token)
		if req.GetBody != nil {
			if again.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		return t.base.RoundTrip(again)
	}
	return resp, nil
}

// with is a request with a token in the place of its password, and without both if it has none.
func with(req *http.Request, token string) *http.Request {
	out := req.Clone(req.Context())
	name, _, _ := req.BasicAuth()
	switch {
	case token != "":
		out.Header.Set("Authorization", "Bearer "+token)
	case name == "":
		out.Header.Del("Authorization")
	}
	return out
}

// fetch asks whom the challenge names for a token, as the user of the request.
func (t *tokens) fetch(req *http.Request, c auth.Challenge) (string, error) {
	param := func(name string) string {
		for _, p := range c.Params {
			if strings.EqualFold(p.Name, name) {
				return p.Value
			}
		}
		return ""
	}
	from, err := url.Parse(param("realm"))
	if err != nil {
		return "", fmt.Errorf("%s: where its tokens are: %w", req.URL.Host, err)
	}
	q := from.Query()
	q.Set("service", param("service"))
	scope := auth.Scope{Type: auth.TypeRepository, Name: asker.Repository, Actions: []string{"pull", "push"}}
	q.Set("scope", scope.String())
	from.RawQuery = q.Encode()
	ask, err := http.NewRequestWithContext(req.Context(), http.MethodGet, from.String(), http.NoBody)
	if err != nil {
		return "", err
	}
	if name, password, ok := req.BasicAuth(); ok && name != "" {
		ask.SetBasicAuth(name, password)
	}
	resp, err := t.base.RoundTrip(ask)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got auth.Token
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&got)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", errors.Join(fmt.Errorf("token of %s: %s", from.Host, resp.Status), err)
	}
	token := got.Token
	if token == "" {
		token = got.AccessToken
	}
	t.mu.Lock()
	t.last = token
	t.mu.Unlock()
	return token, nil
}
