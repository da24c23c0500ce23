package containers

import (
	"cmp"
	"errors"
	"net/http"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/errdefs"
)

// row is a container as docker's list has it.
type row struct {
	ID         string `json:"Id"`
	Names      []string
	Image      string
	ImageID    string
	Command    string
	Created    int64
	Ports      []port
	SizeRw     *int64 `json:",omitempty"`
	SizeRootFs *int64 `json:",omitempty"`
	Labels     map[string]string
	State      string
	Status     string
	HostConfig struct {
		NetworkMode string
		Annotations map[string]string `json:",omitempty"`
	}
	NetworkSettings struct {
		Networks map[string]dockertypes.Endpoint
	}
	Mounts []dockertypes.Mount
}

type port struct {
	IP          string `json:",omitempty"`
	PrivatePort uint16
	PublicPort  uint16 `json:",omitempty"`
	Type        string
}

func (a *API) list(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	filters, err := wire.Filters(q)
	if err != nil {
		return err
	}
	last, err := wire.Int(q, "limit", 0)
	if err != nil {
		return err
	}
	last = max(last, 0) // -1 is no limit
	f := listing.Filter{Running: !wire.Bool(q, "all") && last == 0, Last: last, Terms: filters}
	all, err := a.engine.Containers(r.Context(), f)
	if err != nil {
		return err
	}
	rows := []row{}
	for _, c := range all {
		if !r.Access.Sees(c.Labels) {
			continue
		}
		one, err := a.row(r, c)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // it was removed meanwhile
		}
		if err != nil {
			return err
		}
		rows = append(rows, one)
	}
	return wire.JSON(w, http.StatusOK, rows)
}

func (a *API) row(r *route.Request, c listing.Container) (row, error) {
	out := row{
		ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, ImageID: c.ImageID, Command: c.Command,
		Created: c.Created.Unix(), Ports: []port{}, Labels: emptyIfNil(c.Labels), State: string(c.State.Status),
		Status: c.Status(a.engine.Now()), Mounts: dockertypes.MountsOf(c.Config),
	}
	for _, p := range c.Ports() {
		out.Ports = append(out.Ports, port{
			IP: p.HostIP, PrivatePort: p.ContainerPort, PublicPort: p.HostPort, Type: cmp.Or(p.Proto, "tcp"),
		})
	}
	out.NetworkSettings.Networks = dockertypes.NetworksOf(c.Config, c.State)
	out.HostConfig.NetworkMode = cmp.Or(string(c.Network.Mode), "bridge")
	if asked := c.Asked; asked != nil && !r.Version.Before(wire.V(46)) {
		out.HostConfig.Annotations = asked.Annotations
	}
	if wire.Bool(r.URL.Query(), "size") && c.Broken == nil {
		size, err := a.engine.ContainerSize(r.Context(), c)
		if err != nil {
			return out, err
		}
		out.SizeRw, out.SizeRootFs = &size.RW, &size.RootFS
	}
	return out, nil
}

func emptyIfNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// inspected is what docker's clients want never to be null.
func inspected(c *dockertypes.Container, v wire.Version) *dockertypes.Container {
	c.Config.Labels = emptyIfNil(c.Config.Labels)
	if c.Mounts == nil {
		c.Mounts = []dockertypes.Mount{}
	}
	if c.Args == nil {
		c.Args = []string{}
	}
	if c.NetworkSettings.Networks == nil {
		c.NetworkSettings.Networks = map[string]dockertypes.Endpoint{}
	}
	if c.NetworkSettings.Ports == nil {
		c.NetworkSettings.Ports = map[string][]dockertypes.PortBinding{}
	}
	if v.Before(wire.V(45)) {
		c.AddOwnAliases()
	}
	return c
}
