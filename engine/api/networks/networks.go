// Package networks answers docker's API about networks.
package networks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	engines "cove/engine/networks"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// API answers for the networks of an engine.
type API struct{ engine *engine.Engine }

// Of answers for the networks of an engine.
func Of(e *engine.Engine) *API { return &API{e} }

// Routes are the rows of the table.
func (a *API) Routes() []route.Route {
	return []route.Route{
		{Method: "GET", Path: "/networks", Needs: route.Read, Handler: a.list, Narrow: true, Test: "docker network ls"},
		{Method: "POST", Path: "/networks/create", Needs: route.All, Handler: a.create, Test: "docker network create"},
		{
			Method: "POST", Path: "/networks/prune", Needs: route.All, Handler: a.prune, Since: wire.V(25),
			Test: "docker network prune",
		},
		{
			Method: "GET", Path: "/networks/{id}", Needs: route.Read, Handler: a.inspect, Labels: a.labels,
			Test: "docker network inspect",
		},
		{
			Method: "DELETE", Path: "/networks/{id}", Needs: route.All, Handler: a.remove, Labels: a.labels,
			Test: "docker network rm",
		},
		{
			Method: "POST", Path: "/networks/{id}/connect", Needs: route.All, Handler: a.connect,
			Test: "docker network connect",
		},
		{
			Method: "POST", Path: "/networks/{id}/disconnect", Needs: route.All, Handler: a.disconnect,
			Test: "docker network disconnect",
		},
	}
}

func (a *API) labels(ctx context.Context, r *route.Request) (map[string]string, error) {
	n, err := a.engine.InspectNetwork(ctx, r.Param("id"))
	if err != nil {
		return nil, err
	}
	r.Pin("id", n.ID)
	return n.Labels, nil
}

// described is a network without what clients want never to be null.
func described(n dockertypes.Network) dockertypes.Network {
	for _, m := range []*map[string]string{&n.Labels, &n.Options} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if n.Containers == nil {
		n.Containers = map[string]dockertypes.NetworkMember{}
	}
	if n.IPAM.Config == nil {
		n.IPAM.Config = []dockertypes.Pool{}
	}
	return n
}

func (a *API) list(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	all, err := a.engine.Networks(r.Context(), filters)
	if err != nil {
		return err
	}
	out := []dockertypes.Network{}
	for _, n := range all {
		if r.Access.Sees(n.Labels) {
			n.Containers = nil // those who are on it are told by inspect
			out = append(out, described(n.Network))
		}
	}
	return wire.JSON(w, http.StatusOK, out)
}

func (a *API) inspect(w http.ResponseWriter, r *route.Request) error {
	if scope := r.URL.Query().Get("scope"); scope != "" && scope != "local" {
		return errdefs.Errorf(errdefs.ErrNotFound, "network %s not found in the scope %s", r.Param("id"), scope)
	}
	n, err := a.engine.InspectNetwork(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, described(*n))
}

// asked is the body of a create.
type asked struct {
	Name, Driver, Scope  string
	CheckDuplicate       bool // as of 1.44 it always is
	Internal, Attachable bool
	Ingress, ConfigOnly  bool
	EnableIPv4           *bool
	EnableIPv6           *bool
	IPAM                 *dockertypes.IPAM
	Options, Labels      map[string]string
	ConfigFrom           *dockertypes.ConfigFrom
}

func (b *asked) refuse() error {
	for what, is := range map[string]bool{
		"an ingress network of a swarm":     b.Ingress,
		"a network of configuration alone":  b.ConfigOnly || b.ConfigFrom != nil && b.ConfigFrom.Network != "",
		"a network without IPv4":            b.EnableIPv4 != nil && !*b.EnableIPv4,
		"the scope " + b.Scope:              b.Scope != "" && b.Scope != "local",
		"an IPAM driver other than default": b.IPAM != nil && b.IPAM.Driver != "" && b.IPAM.Driver != "default",
		"options of an IPAM driver":         b.IPAM != nil && !isHostLocal(b.IPAM.Options),
	} {
		if is {
			return errdefs.Errorf(errdefs.ErrUnsupported, "network %s: %s is not supported", b.Name, what)
		}
	}
	return nil
}

// isHostLocal says that options ask for addresses of this host alone, as all are, in the words that
// clients have for it; docker's own driver has no options, and passes them over.
func isHostLocal(options map[string]string) bool {
	for key, value := range options {
		if key != "driver" || value != "host-local" && value != "default" {
			return false
		}
	}
	return true
}

func (a *API) create(w http.ResponseWriter, r *route.Request) error {
	var body asked
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	if err := body.refuse(); err != nil {
		return err
	}
	o := engines.Options{
		Name: body.Name, Driver: body.Driver, Labels: body.Labels, Option: body.Options, Internal: body.Internal,
		Attachable: body.Attachable, IPv6: body.EnableIPv6,
	}
	if body.IPAM != nil {
		for _, pool := range body.IPAM.Config {
			o.Subnets = appendSet(o.Subnets, pool.Subnet)
			o.Gateways = appendSet(o.Gateways, pool.Gateway)
			o.Ranges = appendSet(o.Ranges, pool.IPRange)
			for name, ip := range pool.AuxiliaryAddresses {
				if o.Reserved == nil {
					o.Reserved = map[string]string{}
				}
				o.Reserved[name] = ip
			}
		}
	}
	id, err := a.engine.CreateNetwork(r.Context(), o)
	if errors.Is(err, errdefs.ErrConflict) { // docker's for subnets that overlap
		return &wire.StatusError{Status: http.StatusForbidden, Err: err}
	}
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusCreated, struct {
		ID      string `json:"Id"`
		Warning string
	}{id, ""})
}

func appendSet(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}

func (a *API) remove(w http.ResponseWriter, r *route.Request) error {
	if err := a.engine.RemoveNetwork(r.Context(), r.Param("id")); err != nil {
		if wire.Status(err) == http.StatusConflict { // it has containers, or was always there
			return &wire.StatusError{Status: http.StatusForbidden, Err: err}
		}
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) prune(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	removed, err := a.engine.PruneNetworks(r.Context(), filters)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct{ NetworksDeleted []string }{removed})
}

func (a *API) connect(w http.ResponseWriter, r *route.Request) error {
	var body struct {
		Container      string
		EndpointConfig *dockertypes.Endpoint
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	var flags parse.NetworkFlags
	text := r.Param("id")
	if ep := body.EndpointConfig; ep != nil {
		flags.Aliases, flags.Links, flags.MAC = ep.Aliases, ep.Links, ep.MacAddress
		if ep.IPAMConfig != nil {
			flags.IP, flags.IP6 = ep.IPAMConfig.IPv4Address, ep.IPAMConfig.IPv6Address
			flags.LinkLocal = ep.IPAMConfig.LinkLocalIPs
		}
		for key, value := range ep.DriverOpts {
			flags.Options = append(flags.Options, key+"="+value)
		}
		if ep.GwPriority != 0 {
			text = fmt.Sprintf("name=%s,gw-priority=%d", text, ep.GwPriority)
		}
	}
	err := a.engine.ConnectNetwork(r.Context(), body.Container, text, flags)
	if errors.Is(err, errdefs.ErrConflict) && strings.Contains(err.Error(), "is already connected to network") {
		// dockerd's words and status: clients take that for done.
		return &wire.StatusError{Status: http.StatusForbidden, Err: errdefs.Errorf(errdefs.ErrConflict,
			"endpoint with name %s already exists in network %s", body.Container, r.Param("id"))}
	}
	return err
}

// disconnect takes a container off; force is for one that is gone, which is off it
// already.
func (a *API) disconnect(_ http.ResponseWriter, r *route.Request) error {
	var body struct {
		Container string
		Force     bool
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	err := a.engine.DisconnectNetwork(r.Context(), body.Container, r.Param("id"))
	if body.Force && errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}
