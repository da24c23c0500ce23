package upstreams

import (
	"net/http"
	"time"

	"cove/distribution/client"
	"cove/registry/api/rest"
	"cove/registry/replication/endpoint"
)

// Endpoint is a registry that this one feeds or is fed by.
type Endpoint struct {
	Name        string    `json:"name"`
	Kind        string    `json:"kind"`     // oci, harbor or docker-hub
	Address     string    `json:"address"`  // HOST[:PORT]
	Insecure    bool      `json:"insecure"` // plain HTTP, or a certificate nobody vouches for
	Authorities string    `json:"authorities,omitempty"`
	User        string    `json:"user,omitempty"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
}

// EndpointOf is an endpoint as the API and the command line show it.
func EndpointOf(e endpoint.Endpoint) Endpoint {
	return Endpoint{e.Name, string(e.Kind), e.Host, e.Plain, e.CA, e.User, e.By, e.At.UTC()}
}

// NewEndpoint is what an endpoint is to be.
type NewEndpoint struct {
	Name        string `json:"name,omitempty"` // as in the path, if that has one
	Kind        string `json:"kind,omitempty"` // oci, if it is not said; docker-hub of docker.io
	Address     string `json:"address"`        // HOST[:PORT], or docker.io
	Insecure    bool   `json:"insecure,omitempty"`
	Authorities string `json:"authorities,omitempty"` // certificates to trust beside the system's, PEM
	User        string `json:"user,omitempty"`
	// Password stays what it was, if it is not said and neither user nor address change.
	Password *string `json:"password,omitempty"`
}

// Endpoints are all of them, by name.
type Endpoints struct {
	Items []Endpoint `json:"items"`
}

// Reply is what a registry said.
type Reply struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (s Services) endpoints() []rest.Operation {
	return managed([]rest.Operation{
		{
			Method: http.MethodGet, Path: "/endpoints",
			ID: "listEndpoints", Summary: "List the registries that this one feeds or is fed by",
			Answer: Endpoints{},
			Status: 200, Serve: s.endpointList,
		},
		{
			Method: http.MethodPost, Path: "/endpoints",
			ID: "createEndpoint", Summary: "Add a registry to feed, or to be fed by",
			Body: NewEndpoint{}, Answer: Endpoint{},
			Status: 201, Serve: s.endpointCreate,
		},
		{
			Method: http.MethodGet, Path: "/endpoints/{endpoint}",
			ID: "getEndpoint", Summary: "One of them",
			Answer: Endpoint{},
			Status: 200, ETag: true, Serve: s.endpoint,
		},
		{
			Method: http.MethodPut, Path: "/endpoints/{endpoint}",
			ID: "setEndpoint", Summary: "Change one, all of it",
			Body: NewEndpoint{}, Answer: Endpoint{},
			Status: 200, Serve: s.endpointSet,
		},
		{
			Method: http.MethodDelete, Path: "/endpoints/{endpoint}",
			ID: "deleteEndpoint", Summary: "Remove one that no rule uses",
			Status: 204, Serve: s.endpointRemove,
		},
		{
			Method: http.MethodPost, Path: "/endpoints/{endpoint}/test",
			ID: "testEndpoint", Summary: "Ask one whether it is there and takes the password",
			Answer: Reply{},
			Status: 200, Serve: s.endpointTest,
		},
	})
}

func (s Services) endpointList(asked *rest.Ask) (any, error) {
	all, err := s.Policies.Endpoints.List(asked.Context(), asked.Caller)
	out := Endpoints{Items: make([]Endpoint, len(all))}
	for i, e := range all {
		out.Items[i] = EndpointOf(e)
	}
	return out, err
}

func specOf(asked *rest.Ask, name string) (spec endpoint.Spec, err error) {
	var body NewEndpoint
	if err := asked.Read(&body); err != nil {
		return spec, err
	}
	if name != "" && body.Name != "" && body.Name != name {
		return spec, rest.Invalid("name is %q; an endpoint keeps its name, which is %q", body.Name, name)
	}
	if name == "" {
		name = body.Name
	}
	spec = endpoint.Spec{
		Name: name, Kind: endpoint.Kind(body.Kind), Address: body.Address, Plain: body.Insecure, CA: body.Authorities,
		User: body.User, KeepPassword: body.Password == nil,
	}
	if body.Password != nil {
		spec.Password = *body.Password
	}
	return spec, nil
}

func (s Services) endpointCreate(asked *rest.Ask) (any, error) {
	spec, err := specOf(asked, "")
	if err != nil {
		return nil, err
	}
	e, err := s.Policies.Endpoints.Create(asked.Context(), asked.Caller, spec)
	if err == nil {
		asked.W.Header().Set("Location", rest.Base+"/endpoints/"+e.Name)
	}
	return EndpointOf(e), err
}

func (s Services) endpoint(asked *rest.Ask) (any, error) {
	e, err := s.Policies.Endpoints.Get(asked.Context(), asked.Caller, asked.PathValue("endpoint"))
	return EndpointOf(e), err
}

func (s Services) endpointSet(asked *rest.Ask) (any, error) {
	spec, err := specOf(asked, asked.PathValue("endpoint"))
	if err != nil {
		return nil, err
	}
	e, err := s.Policies.Endpoints.Set(asked.Context(), asked.Caller, spec)
	return EndpointOf(e), err
}

func (s Services) endpointRemove(asked *rest.Ask) (any, error) {
	return nil, s.Policies.Endpoints.Remove(asked.Context(), asked.Caller, asked.PathValue("endpoint"))
}

func (s Services) endpointTest(asked *rest.Ask) (any, error) {
	name := asked.PathValue("endpoint")
	if _, err := s.Policies.Endpoints.Get(asked.Context(), asked.Caller, name); err != nil {
		return nil, err
	}
	err := s.Policies.Endpoints.Test(asked.Context(), asked.Caller, name, client.Config{RetryFor: -1})
	if err != nil {
		return Reply{Error: err.Error()}, nil //nolint:nilerr // it is the answer
	}
	return Reply{OK: true}, nil
}
