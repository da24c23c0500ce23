package places

import (
	"errors"
	"strconv"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/proxy"
	"cove/registry/proxy/settings"
)

// Harbor's settings of a project that is a proxy; -1 is no limit.
const (
	proxySpeed       = "proxy_speed_kb"
	proxyConnections = "max_upstream_conn"
)

func isThrough(name string) bool { return name == proxySpeed || name == proxyConnections }

// through is what a proxy project is to be. The registry stays that by which it was made.
type through struct {
	registry           int64
	speed, connections *int64 // of kB a second, and at once
}

func (t *through) say(name, value string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < -1 {
		return edge.Invalid("metadata: %s %q is no number, nor -1 for none", name, value)
	}
	if name == proxySpeed {
		t.speed = &n
	} else {
		t.connections = &n
	}
	return nil
}

// limited says that a limit is asked for.
func (t through) limited() bool {
	return t.speed != nil && *t.speed > 0 || t.connections != nil && *t.connections > 0
}

// over puts what is asked for over a proxy.
func (t through) over(spec *proxy.Spec) {
	const kilo = 1000
	if t.speed != nil {
		spec.Rate = max(*t.speed, 0) * kilo
	}
	if t.connections != nil {
		spec.Connections = int(max(*t.connections, 0))
	}
}

// makeProxy makes a project that shows a registry, with the account that this registry has
// there now.
func (o operations) makeProxy(asked *edge.Ask, name string, public bool, t through) error {
	e, password, err := o.Policies.Endpoints.Account(asked.Context(), asked.Caller, t.registry)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return edge.Invalid("registry_id: registry %d does not exist", t.registry)
	case err != nil:
		return err
	case e.CA != "":
		return edge.Unsupported("registry_id: a proxy of a registry with certificates of its own, as %s", e.Name)
	}
	if _, err := o.Lists.Project(asked.Context(), name); err == nil { // a proxy may be made of an empty project
		return errdefs.Errorf(errdefs.ErrExists, "project %q exists already", name)
	}
	spec := proxy.Spec{
		Project: name, Upstream: e.Host, Plain: e.Plain, User: e.User, Password: password, Public: public,
	}
	t.over(&spec)
	return o.Proxies.Create(asked.Context(), asked.Caller, spec)
}

// throughIs changes the limits of a project that is a proxy. Harbor's clients send the number of
// its registry along, which stays what it is.
func (o operations) throughIs(asked *edge.Ask, t through) error {
	if t == (through{}) {
		return nil
	}
	p, err := settings.Of(asked.Context(), o.DB.Querier(), asked.Project)
	if errors.Is(err, errdefs.ErrNotFound) {
		if t.registry != 0 || t.limited() {
			return edge.Invalid("registry_id: project %q is no proxy; one is made as one", asked.Project)
		}
		return nil
	}
	if err != nil {
		return err
	}
	id, err := o.Lists.Upstream(asked.Context(), p.ProjectID)
	if err == nil && t.registry != 0 && t.registry != id {
		err = edge.Unsupported("registry_id: another registry for a proxy that is there")
	}
	if err != nil {
		return err
	}
	spec := proxy.Spec{
		Project: p.Project, Upstream: p.Upstream(), Plain: p.Plain, User: p.User, Repositories: p.Globs(),
		FreshFor: p.FreshFor, KeepFor: p.KeepFor, Rate: p.Rate, Connections: p.Connections,
	}
	if spec.FreshFor == 0 {
		spec.FreshFor = proxy.AlwaysAsk
	}
	if t.over(&spec); spec.Rate == p.Rate && spec.Connections == p.Connections {
		return nil
	}
	return o.Proxies.Create(asked.Context(), asked.Caller, spec)
}

// shownThrough adds the settings of a proxy, and is the number of the registry that it shows;
// 0 of a project that is none.
func (o operations) shownThrough(asked *edge.Ask, m shape.Metadata) (registry int64, err error) {
	p, err := settings.Of(asked.Context(), o.DB.Querier(), asked.Project)
	if errors.Is(err, errdefs.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	limit := func(n int64) string {
		if n == 0 {
			n = -1
		}
		return strconv.FormatInt(n, 10)
	}
	const kilo = 1000
	m[proxySpeed], m[proxyConnections] = limit(p.Rate/kilo), limit(int64(p.Connections))
	return o.Lists.Upstream(asked.Context(), p.ProjectID)
}
