package runner

import (
	"cmp"
	"context"
	"slices"

	"cove/errdefs"
	"cove/events"
	"cove/network"
	"cove/runner/record"
	"cove/runner/told"
)

// Networks are the networks of this root.
func (r *Runner) Networks() *network.Network { return r.net }

// Asked is the network that the container asks for, with what was connected and
// disconnected since it was made.
func (c *Container) Asked() (network.Config, error) { return c.record().AskedNetwork(c.Config()) }

// Connect puts the container on one more network: at once when it runs, else from
// its next start on. One that it is on already is errdefs.ErrConflict while it runs, and
// else has what is asked for now beside what was, as with docker; a container that has no
// network of its own is errdefs.ErrConflict.
func (c *Container) Connect(ctx context.Context, at network.Attachment) error {
	return c.changeNetworks(ctx, func(n *record.Networks, live *network.Running) error {
		i := slices.IndexFunc(n.Asked, func(a network.Attachment) bool { return a.Network == at.Network })
		switch {
		case i >= 0 && live != nil:
			return errdefs.Errorf(errdefs.ErrConflict, "container %s is already connected to network %s", c, at.Name)
		case i >= 0:
			n.Asked[i] = both(n.Asked[i], at)
			return nil
		}
		n.Asked = append(n.Asked, at)
		if live != nil {
			got, err := c.r.net.Join(*live, at)
			if n.Attached = append(n.Attached, got); err != nil {
				return err
			}
			told.Of(c.record(), c.Config()).Network(events.Connect, at.Network, at.Name)
		}
		return nil
	})
}

// both is what was asked of a network, and is asked later.
func both(was, now network.Attachment) network.Attachment {
	for _, alias := range was.Aliases {
		if !slices.Contains(now.Aliases, alias) {
			now.Aliases = append(now.Aliases, alias)
		}
	}
	for _, l := range was.Links {
		if !slices.ContainsFunc(now.Links, func(n network.Link) bool { return n.Alias == l.Alias }) {
			now.Links = append(now.Links, l)
		}
	}
	if !now.IP.IsValid() {
		now.IP = was.IP
	}
	if !now.IP6.IsValid() {
		now.IP6 = was.IP6
	}
	if len(now.LinkLocal) == 0 {
		now.LinkLocal = was.LinkLocal
	}
	now.MAC, now.Priority = cmp.Or(now.MAC, was.MAC), cmp.Or(now.Priority, was.Priority)
	return now
}

// Disconnect takes the container off a network; one that it is not on is
// errdefs.ErrInvalid.
func (c *Container) Disconnect(ctx context.Context, id, name string) error {
	return c.changeNetworks(ctx, func(n *record.Networks, live *network.Running) error {
		i := slices.IndexFunc(n.Asked, func(a network.Attachment) bool { return a.Network == id })
		if i < 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "container %s is not connected to network %s", c, name)
		}
		n.Asked = slices.Delete(n.Asked, i, i+1)
		j := slices.IndexFunc(n.Attached, func(a network.Attached) bool { return a.Network == id })
		if live != nil && j >= 0 {
			gone := n.Attached[j]
			n.Attached = slices.Delete(slices.Clone(n.Attached), j, j+1)
			if err := c.r.net.Leave(*live, gone); err != nil {
				return err
			}
		}
		told.Of(c.record(), c.Config()).Network(events.Disconnect, id, name)
		return nil
	})
}

// changeNetworks has change work on the networks as they are, and records what it
// made of them. live is nil for a container that does not run.
func (c *Container) changeNetworks(
	ctx context.Context, change func(n *record.Networks, live *network.Running) error,
) error {
	return c.Hold(ctx, func(st record.State) error { return c.change(st, change) })
}

// change is changeNetworks for who holds the control lock.
func (c *Container) change(
	st record.State, change func(n *record.Networks, live *network.Running) error,
) error {
	asked, err := c.Asked()
	if err != nil {
		return err
	}
	switch _, joins := asked.Mode.Peer(); {
	case c.Config().Network.Mode == network.None:
		return errdefs.Errorf(errdefs.ErrConflict, "container cannot be connected to multiple networks with one of "+
			"the networks in private (none) mode, which %s has", c)
	case joins || asked.Mode == network.Host:
		return errdefs.Errorf(errdefs.ErrConflict, "container sharing network namespace with another container or "+
			"host cannot be connected to any other network: %s has %s", c, asked.Mode)
	}
	n := record.Networks{Asked: asked.Attachments}
	if len(n.Asked) == 0 && asked.Mode != network.None {
		n.Asked = []network.Attachment{{Name: string(network.Bridge)}}
	}
	var live *network.Running
	if st.Alive() {
		n.Monitor, n.Attached = st.Monitor, attached(st)
		live = &network.Running{
			ID: c.ID(), Name: c.Name(), Hostname: c.Config().Network.Hostname,
			PID: st.Pid, Owner: c.record().Holder(record.MonitorLock), Attached: n.Attached,
		}
	}
	if err := change(&n, live); err != nil {
		return err
	}
	return c.record().SetNetworks(n)
}

// attached is what a running container has, also on the default bridge alone.
func attached(st record.State) []network.Attached {
	n := st.Network
	if len(n.Attached) > 0 || !n.IP.IsValid() {
		return n.Attached
	}
	return []network.Attached{{
		Name: string(network.Bridge), Interface: "eth0", Veth: n.Veth, IP: n.IP, Gateway: n.Gateway, MAC: n.MAC,
		Bridge: n.Bridge, IP6: n.IP6, Gateway6: n.Gateway6,
	}}
}
