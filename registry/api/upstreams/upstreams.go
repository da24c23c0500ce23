// Package upstreams has the operations of the API on other registries: those that
// projects are proxies of, and those that this one feeds or is fed by.
package upstreams

import (
	"net/http"
	"slices"
	"time"

	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/policies"
	"cove/registry/proxy"
	"cove/registry/proxy/standing"
)

// Services are what the operations call, all of them.
type Services struct {
	Proxies  *proxy.Service
	Live     *proxy.Proxies // nil where no server answers
	Policies *policies.Policies
}

// Proxy is a project that shows what another registry has.
type Proxy struct {
	Project      string    `json:"project"`
	Upstream     string    `json:"upstream"` // HOST[:PORT][/PREFIX]
	Insecure     bool      `json:"insecure"` // plain HTTP, or a certificate nobody vouches for
	User         string    `json:"user,omitempty"`
	Repositories []string  `json:"repositories"` // globs of names within the project
	Fresh        string    `json:"fresh"`        // how long a tag is taken to be what it was, as 5m
	Keep         string    `json:"keep"`         // how long something stays after its last pull; 0s is for ever
	Rate         int64     `json:"rate"`         // bytes a second; 0 is without a limit
	Connections  int       `json:"connections"`  // blobs at once; 0 is 16
	CreatedAt    time.Time `json:"createdAt"`

	// State is absent where no server answers, as to the command line beside one.
	State *ProxyState `json:"state,omitempty"`
}

// ProxyState is how an upstream stands with the server that answers, since its start or
// the last change of the settings.
type ProxyState struct {
	AnsweredAt *time.Time `json:"answeredAt,omitempty"` // when it last answered
	FailedAt   *time.Time `json:"failedAt,omitempty"`   // when it last failed
	Failure    string     `json:"failure,omitempty"`    // how it failed then
	RestsUntil *time.Time `json:"restsUntil,omitempty"` // it is left alone until then
	Hits       int64      `json:"hits"`                 // what was here
	Misses     int64      `json:"misses"`               // what came from the upstream
	Stale      int64      `json:"stale"`                // what was here and may have been out of date

	RateLimit *RateLimit `json:"rateLimit,omitempty"` // what it said is left of what it allows
}

// RateLimit is what a registry said it lets us ask: Docker Hub counts GETs of manifests.
type RateLimit struct {
	Remaining int64     `json:"remaining"`
	Limit     int64     `json:"limit,omitempty"`  // absent where only what is left was told
	Window    string    `json:"window,omitempty"` // the time that the limit is for, as 6h0m0s
	At        time.Time `json:"at"`               // when it was told
}

// ProxyOf is a proxy as the API shows it.
func ProxyOf(p proxy.Proxy) Proxy {
	return Proxy{
		Project: p.Project, Upstream: p.Upstream, Insecure: p.Plain, User: p.User, Repositories: p.Repositories,
		Fresh: p.FreshFor.String(), Keep: p.KeepFor.String(), Rate: p.Rate, Connections: p.Connections,
		CreatedAt: p.CreatedAt.UTC(),
	}
}

func stateOf(s standing.State) *ProxyState {
	shown := &ProxyState{
		AnsweredAt: rest.Moment(s.AnsweredAt), FailedAt: rest.Moment(s.FailedAt), Failure: s.Failure,
		RestsUntil: rest.Moment(s.RestsUntil), Hits: s.Hits, Misses: s.Misses, Stale: s.Stale,
	}
	if a := s.Allowance; !a.At.IsZero() {
		shown.RateLimit = &RateLimit{Remaining: a.Remaining, Limit: a.Limit, At: a.At.UTC()}
		if a.Window > 0 {
			shown.RateLimit.Window = a.Window.String()
		}
	}
	return shown
}

// NewProxy is what a proxy is to be. What is left out is as it is without it.
type NewProxy struct {
	Upstream     string   `json:"upstream"` // docker.io, HOST[:PORT] or HOST[:PORT]/PREFIX
	Insecure     bool     `json:"insecure,omitempty"`
	User         string   `json:"user,omitempty"`
	Password     string   `json:"password,omitempty"`     // without one a user keeps the one that is there
	Repositories []string `json:"repositories,omitempty"` // globs of names within the project
	Fresh        string   `json:"fresh,omitempty"`        // as 5m
	Keep         string   `json:"keep,omitempty"`         // as 720h
	Rate         int64    `json:"rate,omitempty"`         // bytes a second
	Connections  int      `json:"connections,omitempty"`  // blobs at once
	Public       bool     `json:"public,omitempty"`       // of a project that is made
}

// Proxies are all of them, by their projects' names.
type Proxies struct {
	Items []Proxy `json:"items"`
}

// Operations are the rows of the API's table.
func (s Services) Operations() []rest.Operation {
	return slices.Concat(s.proxies(), s.endpoints(), s.rules(), s.runs())
}

func (s Services) proxies() []rest.Operation {
	return []rest.Operation{
		{
			Method: http.MethodGet, Path: "/proxies", Right: auth.ManageRegistries, Object: "registries",
			ID: "listProxies", Summary: "List the projects that are proxies of other registries",
			Answer: Proxies{},
			Status: 200, Serve: s.list,
		},
		{
			Method: http.MethodPut, Path: "/proxies/{project}", Right: auth.ManageRegistries, Object: "registries",
			ID: "setProxy", Summary: "Make a project a proxy of another registry, or change the one that it is",
			Body:   NewProxy{},
			Status: 204, Serve: s.set,
		},
		{
			Method: http.MethodDelete, Path: "/proxies/{project}", Right: auth.ManageRegistries, Object: "registries",
			ID: "deleteProxy", Summary: "Make an ordinary project of a proxy, which keeps what it holds",
			Status: 204, Serve: s.remove,
		},
	}
}

func (s Services) list(asked *rest.Ask) (any, error) {
	all, err := s.Proxies.List(asked.Context(), asked.Caller)
	out := Proxies{Items: make([]Proxy, 0, len(all))}
	for _, p := range all {
		one := ProxyOf(p)
		if s.Live != nil {
			one.State = stateOf(s.Live.State(p.Project))
		}
		out.Items = append(out.Items, one)
	}
	return out, err
}

func (s Services) set(asked *rest.Ask) (any, error) {
	var body NewProxy
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	spec := proxy.Spec{
		Project: asked.PathValue("project"), Upstream: body.Upstream, Plain: body.Insecure, User: body.User,
		Password: body.Password, Repositories: body.Repositories, Rate: body.Rate, Connections: body.Connections,
		Public: body.Public,
	}
	var err error
	if spec.FreshFor, err = duration("fresh", body.Fresh); err != nil {
		return nil, err
	}
	if spec.FreshFor == 0 && body.Fresh != "" {
		spec.FreshFor = proxy.AlwaysAsk
	}
	if spec.KeepFor, err = duration("keep", body.Keep); err != nil {
		return nil, err
	}
	return nil, s.Proxies.Create(asked.Context(), asked.Caller, spec)
}

func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, rest.Invalid("%s is %q; use a time as 90s, 5m or 720h", name, text)
	}
	return d, nil
}

func (s Services) remove(asked *rest.Ask) (any, error) {
	return nil, s.Proxies.Remove(asked.Context(), asked.Caller, asked.PathValue("project"))
}
