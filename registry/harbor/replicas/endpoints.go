package replicas

import (
	"cmp"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/replication/endpoint"
)

// kinds are Harbor's words for kinds of registries. Those of clouds and other products
// are any registry here, and Harbor's words for them are refused: their own lists of
// repositories are not asked.
var kinds = []struct {
	kind   endpoint.Kind
	harbor string
}{
	{endpoint.OCI, "docker-registry"}, {endpoint.Harbor, "harbor"}, {endpoint.DockerHub, "docker-hub"},
}

func kindOf(name string) (endpoint.Kind, error) {
	names := []string{}
	for _, k := range kinds {
		if k.harbor == name {
			return k.kind, nil
		}
		names = append(names, k.harbor)
	}
	return "", edge.Unsupported("the type %q of a registry; use one of %s", name, strings.Join(names, ", "))
}

func typeOf(kind endpoint.Kind) string {
	for _, k := range kinds {
		if k.kind == kind {
			return k.harbor
		}
	}
	return string(kind)
}

const (
	basic  = "basic"
	hub    = "https://hub.docker.com"
	unread = "*****" // what stands for a secret in Harbor's answers
)

func shown(e endpoint.Endpoint) shape.Endpoint {
	at := e.At.UTC()
	out := shape.Endpoint{
		ID: e.ID, Name: e.Name, Type: typeOf(e.Kind), URL: "https://" + e.Host, Insecure: e.Plain, CA: e.CA,
		Created: &at, Updated: &at,
	}
	if e.Host == reference.DefaultRegistry {
		out.URL = hub
	}
	if e.User != "" {
		out.Credential = &shape.Credential{Type: basic, Key: e.User, Secret: unread}
	}
	return out
}

// describe puts what a request says over a spec.
func describe(spec *endpoint.Spec, c shape.EndpointChange) error {
	if c.Credential != nil {
		c.Kind, c.Key, c.Secret = &c.Credential.Type, &c.Credential.Key, &c.Credential.Secret
	}
	if c.Type != nil {
		kind, err := kindOf(*c.Type)
		if err != nil {
			return err
		}
		spec.Kind = kind
	}
	switch {
	case c.Description != nil && *c.Description != "":
		return edge.Unsupported("the description of a registry: its name says what it is for")
	case c.Kind != nil && *c.Kind != "" && *c.Kind != basic:
		return edge.Unsupported("the type %q of a credential; use %s", *c.Kind, basic)
	}
	for to, text := range map[*string]*string{
		&spec.Name: c.Name, &spec.Address: c.URL, &spec.User: c.Key, &spec.CA: c.CA,
	} {
		if text != nil {
			*to = *text
		}
	}
	if c.Insecure != nil {
		spec.Plain = *c.Insecure
	}
	if strings.HasPrefix(spec.Address, "http://") { // there is no certificate to check
		spec.Plain = true
	}
	if c.Secret != nil && *c.Secret != unread {
		spec.Password, spec.KeepPassword = *c.Secret, false
	}
	if spec.User == "" { // without one there is no password to keep
		spec.KeepPassword = false
	}
	return nil
}

// named is the endpoint of a number.
func (o operations) named(asked *edge.Ask, id int64) (endpoint.Endpoint, error) {
	all, err := o.Policies.Endpoints.List(asked.Context(), asked.Caller)
	if err != nil {
		return endpoint.Endpoint{}, err
	}
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return endpoint.Endpoint{}, errdefs.Errorf(errdefs.ErrNotFound, "registry %d does not exist", id)
}

func (o operations) endpoint(asked *edge.Ask) (endpoint.Endpoint, error) {
	id, err := edge.Number("registry", asked.PathValue("registry"))
	if err != nil {
		return endpoint.Endpoint{}, err
	}
	return o.named(asked, id)
}

func (o operations) endpointList(asked *edge.Ask) (any, error) {
	name, fuzzy := asked.Filter("name")
	kind, _ := asked.Filter("type")
	if plain := asked.URL.Query().Get("name"); plain != "" { // as it was asked before there was q=
		name, fuzzy = plain, true
	}
	all, err := o.Policies.Endpoints.List(asked.Context(), asked.Caller)
	if err != nil {
		return nil, err
	}
	found := []shape.Endpoint{}
	for _, e := range all {
		if like(e.Name, name, fuzzy) && (kind == "" || kind == typeOf(e.Kind)) {
			found = append(found, shown(e))
		}
	}
	err = edge.Order(asked, found, map[string]func(a, b shape.Endpoint) int{
		"id":            func(a, b shape.Endpoint) int { return cmp.Compare(a.ID, b.ID) },
		"name":          func(a, b shape.Endpoint) int { return cmp.Compare(a.Name, b.Name) },
		"creation_time": func(a, b shape.Endpoint) int { return a.Created.Compare(*b.Created) },
		"update_time":   func(a, b shape.Endpoint) int { return a.Updated.Compare(*b.Updated) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, found), nil
}

// like says whether a name is the one that is asked for, if one is.
func like(name, want string, fuzzy bool) bool {
	return want == "" || name == want || fuzzy && strings.Contains(name, want)
}

func (o operations) endpointGet(asked *edge.Ask) (any, error) {
	e, err := o.endpoint(asked)
	return shown(e), err
}

func (o operations) endpointCreate(asked *edge.Ask) (any, error) {
	var c shape.EndpointChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	var spec endpoint.Spec
	if err := describe(&spec, c); err != nil {
		return nil, err
	}
	made, err := o.Policies.Endpoints.Create(asked.Context(), asked.Caller, spec)
	if err != nil {
		return nil, err
	}
	asked.Created("/registries/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

// as is an endpoint as it is, to be changed.
func as(e endpoint.Endpoint) endpoint.Spec {
	return endpoint.Spec{
		Name: e.Name, Kind: e.Kind, Address: e.Host, Plain: e.Plain, CA: e.CA, User: e.User, KeepPassword: true,
	}
}

func (o operations) endpointChange(asked *edge.Ask) (any, error) {
	var c shape.EndpointChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	e, err := o.endpoint(asked)
	if err != nil {
		return nil, err
	}
	spec := as(e)
	if err := describe(&spec, c); err != nil {
		return nil, err
	}
	if spec.Name != e.Name {
		return nil, edge.Unsupported("another name for a registry: make another one")
	}
	_, err = o.Policies.Endpoints.Set(asked.Context(), asked.Caller, spec)
	return nil, err
}

func (o operations) endpointDelete(asked *edge.Ask) (any, error) {
	e, err := o.endpoint(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Endpoints.Remove(asked.Context(), asked.Caller, e.Name)
}

// endpointPing asks a registry that is there, with what the request says over it, or one
// that is to be.
func (o operations) endpointPing(asked *edge.Ask) (any, error) {
	var c shape.EndpointChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	spec, there := endpoint.Spec{Name: "ping"}, endpoint.Endpoint{}
	if c.ID != nil && *c.ID != 0 {
		var err error
		if there, err = o.named(asked, *c.ID); err != nil {
			return nil, err
		}
		spec = as(there)
	}
	if err := describe(&spec, c); err != nil {
		return nil, err
	}
	return nil, o.Policies.Endpoints.Try(asked.Context(), asked.Caller, there, spec)
}

func info(kind string) shape.EndpointInfo {
	return shape.EndpointInfo{
		Type: kind, ByChunk: true, Triggers: []string{byHand, scheduled, onEvent},
		Filters: []shape.FilterStyle{
			{Type: ofName, Style: "input"},
			{Type: ofTag, Style: "input"},
			{Type: ofLabel, Style: "input"},
			{Type: ofResource, Style: "radio", Values: []string{"", image}},
		},
	}
}

func (o operations) endpointInfo(asked *edge.Ask) (any, error) {
	if asked.PathValue("registry") == "0" { // this one
		return info("harbor"), nil
	}
	e, err := o.endpoint(asked)
	return info(typeOf(e.Kind)), err
}

func (o operations) adapters(*edge.Ask) (any, error) {
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.harbor)
	}
	return names, nil
}
