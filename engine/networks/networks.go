// Package networks is what is done to networks, by name: make, list and remove one,
// put containers on it, and find what a new container asks for.
package networks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/engine/machine"
	"cove/engine/parts"
	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/internal/ids"
	"cove/network"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/ipam"
	"cove/network/segment"
	"cove/runner"
	"cove/runner/record"
)

// Options is a network to be made, as it is typed.
type Options struct {
	Name, Driver             string
	Subnets, Gateways        []string
	Ranges                   []string
	Reserved, Labels, Option map[string]string
	Internal, Attachable     bool
	// IPv6 is false, true or not said: then a network has it that has such a subnet.
	IPv6 *bool
}

// Network is a network, as a list shows it.
type Network struct {
	dockertypes.Network
	// Users are the names of the containers that ask for it, running or not.
	Users []string
	// Broken is why only the ID is known, which is the name then.
	Broken error
}

// Networks are the networks of one state root.
type Networks struct{ parts *parts.Parts }

// Of returns the networks that parts hold.
func Of(p *parts.Parts) *Networks { return &Networks{p} }

func (ns *Networks) networks() (*network.Network, error) {
	r, err := ns.parts.Runner()
	if err != nil {
		return nil, err
	}
	return r.Networks(), nil
}

// CreateNetwork makes a network and returns its ID. A name in use is
// errdefs.ErrExists, a subnet that is in use errdefs.ErrConflict.
func (ns *Networks) CreateNetwork(ctx context.Context, o Options) (string, error) {
	if err := machine.NeedNetworks("making a network"); err != nil {
		return "", err
	}
	def := definition.Network{
		Name: o.Name, Created: ns.parts.Now().UTC(), Internal: o.Internal, Attachable: o.Attachable,
		Labels: o.Labels, Options: o.Option,
	}
	if o.Driver != definition.DriverBridge {
		def.Driver = o.Driver
	}
	if err := addressesOf(&def, o); err != nil {
		return "", err
	}
	nets, err := ns.networks()
	if err != nil {
		return "", err
	}
	made, err := nets.Define(ctx, def)
	return made.ID, err
}

// Networks lists networks by name: the predefined ones, and those that people made.
func (ns *Networks) Networks(ctx context.Context, f Filter) ([]Network, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	nets, err := ns.networks()
	if err != nil {
		return nil, err
	}
	users, err := ns.users(ctx)
	if err != nil {
		return nil, err
	}
	defs, err := nets.Every()
	if err != nil {
		return nil, err
	}
	var all []Network
	for _, n := range ns.predefined(nets) {
		all = append(all, Network{Network: n})
	}
	for _, def := range defs {
		one := Network{Network: dockertypes.OfNetwork(def), Broken: def.Broken}
		if def.Broken != nil {
			one.Name = ids.Short(def.ID)
		}
		all = append(all, one)
	}
	list := make([]Network, 0, len(all))
	for _, n := range all {
		if n.Users = users[n.Name]; f.matches(n) {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (ns *Networks) predefined(nets *network.Network) []dockertypes.Network {
	pool, err := nets.Members("")
	if err != nil {
		pool = &ipam.Pool{} // the bridge was never there
	}
	if !pool.Subnet.IsValid() {
		pool.Subnet = segment.Default(ns.parts.Root).Foreseen() // which it gets with its first container
	}
	all := []dockertypes.Network{
		dockertypes.BridgeNetwork(nets.DefaultBridge(), pool), dockertypes.BareNetwork("host"),
		dockertypes.BareNetwork("none"),
	}
	for i, made := 0, ns.made(); i < len(all); i++ {
		all[i].Created = made
	}
	return all
}

// made is when the root was: since then it has the predefined networks.
func (ns *Networks) made() time.Time {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, ns.parts.Root, 0, unix.STATX_BTIME|unix.STATX_CTIME, &st) != nil {
		return ns.parts.Now().UTC() // it is made by what follows
	}
	at := st.Btime
	if st.Mask&unix.STATX_BTIME == 0 {
		at = st.Ctime // the filesystem keeps no time of birth
	}
	return time.Unix(at.Sec, int64(at.Nsec)).UTC()
}

// users are the names of containers by the names of their networks.
func (ns *Networks) users(ctx context.Context) (map[string][]string, error) {
	all, err := uses.Containers(ctx, ns.parts, listing.Filter{})
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		for _, name := range c.NetworkNames() {
			users[name] = append(users[name], c.Name)
		}
	}
	return users, nil
}

// leastID is how much of a predefined network's ID has to be given.
const leastID = 12

var errNoAliases = errdefs.Errorf(errdefs.ErrInvalid,
	"network-scoped alias is supported only for containers in user defined networks")

// InspectNetwork tells everything about a network, in docker's shape.
func (ns *Networks) InspectNetwork(_ context.Context, ref string) (*dockertypes.Network, error) {
	nets, err := ns.networks()
	if err != nil {
		return nil, err
	}
	var found dockertypes.Network
	id := ""
	own := ns.predefined(nets)
	i := slices.IndexFunc(own, func(n dockertypes.Network) bool {
		return n.Name == ref || len(ref) >= leastID && strings.HasPrefix(n.ID, ref)
	})
	if i >= 0 {
		if found = own[i]; found.Name != string(network.Bridge) {
			return &found, nil
		}
	} else {
		def, err := nets.Find(ref)
		if err != nil {
			return nil, err
		}
		found, id = dockertypes.OfNetwork(def), def.ID
	}
	pool, err := nets.Members(id)
	if err != nil {
		return nil, err
	}
	found.AddMembers(pool)
	return &found, nil
}

// RemoveNetwork removes a network that no running container is on.
func (ns *Networks) RemoveNetwork(ctx context.Context, ref string) error {
	if err := machine.NeedNetworks("removing a network"); err != nil {
		return err
	}
	if slices.Contains(network.Predefined(), ref) {
		return errdefs.Errorf(errdefs.ErrConflict, "%s is a pre-defined network and cannot be removed", ref)
	}
	nets, err := ns.networks()
	if err != nil {
		return err
	}
	def, err := nets.Find(ref)
	if err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	return nets.Undefine(ctx, def.ID)
}

// PruneNetworks removes the networks that no running container is on and that the
// filter chooses; it returns their names. As docker's, it takes those of containers
// that are stopped, which then do not start until a network of the name is there.
func (ns *Networks) PruneNetworks(ctx context.Context, f listing.PruneFilter) (removed []string, err error) {
	if err := machine.NeedRoot("pruning"); err != nil {
		return nil, err
	}
	if err := f.Check(listing.PruneUntil, listing.PruneLabel, listing.PruneNoLabel); err != nil {
		return nil, err
	}
	goes, err := f.Test(ns.parts.Now())
	if err != nil {
		return nil, err
	}
	all, err := ns.Networks(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.Broken != nil || slices.Contains(network.Predefined(), n.Name) || !goes(n.Created, n.Labels) {
			continue
		}
		switch err := ns.RemoveNetwork(ctx, n.ID); {
		case errors.Is(err, errdefs.ErrConflict), errors.Is(err, errdefs.ErrNotFound):
			continue // somebody runs on it, or has removed it meanwhile
		case err != nil:
			return removed, err
		}
		removed = append(removed, n.Name)
	}
	return removed, nil
}

// ConnectNetwork puts a container on one more network, which text says as the
// networks of a new container are said.
func (ns *Networks) ConnectNetwork(ctx context.Context, ref, net string, flags parse.NetworkFlags) error {
	at, err := parse.Network(net)
	if err == nil {
		err = flags.Apply(&at)
	}
	if err != nil {
		return err
	}
	c, err := ns.networkOf(ctx, ref, &at)
	if err == nil {
		err = ns.findLinked(ctx, at.Links, at.Network != "")
	}
	if err != nil {
		return err
	}
	return c.Connect(ctx, at)
}

// DisconnectNetwork takes a container off a network.
func (ns *Networks) DisconnectNetwork(ctx context.Context, ref, net string) error {
	at := network.Attachment{Name: net}
	c, err := ns.networkOf(ctx, ref, &at)
	if err != nil {
		return err
	}
	return c.Disconnect(ctx, at.Network, at.Name)
}

// networkOf finds a container, and the network of an attachment.
func (ns *Networks) networkOf(ctx context.Context, ref string, at *network.Attachment) (*runner.Container, error) {
	if err := machine.NeedNetworks("connecting a container"); err != nil {
		return nil, err
	}
	if err := ns.resolve(at); err != nil {
		return nil, err
	}
	return ns.parts.Container(ctx, ref)
}

// resolve completes what was asked of one network by its ID.
func (ns *Networks) resolve(at *network.Attachment) error {
	if at.Name == "default" {
		at.Name = string(network.Bridge)
	}
	for _, name := range network.Predefined() {
		if len(at.Name) >= leastID && strings.HasPrefix(definition.PredefinedID(name), at.Name) {
			at.Name = name
		}
	}
	if at.Name == string(network.Bridge) {
		switch {
		case len(at.Aliases) > 0:
			return errNoAliases
		case len(at.Links) > 0:
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: what is connected to it gets no links; "+
				"a container is linked there when it is created, and later on networks that people make", at.Name)
		case at.IP.IsValid() || at.IP6.IsValid():
			return errdefs.Errorf(errdefs.ErrInvalid,
				"user specified IP address is supported on user defined networks only")
		}
		return nil
	}
	if slices.Contains(network.Predefined(), at.Name) || strings.HasPrefix(at.Name, string(network.ContainerPrefix)) {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: a container has it alone, and says nothing about it",
			at.Name)
	}
	nets, err := ns.networks()
	if err != nil {
		return err
	}
	def, err := nets.Find(at.Name)
	if err != nil {
		return err
	}
	for _, ip := range []netip.Addr{at.IP, at.IP6} {
		if ip.IsValid() && !slices.ContainsFunc(def.Subnets(), func(s netip.Prefix) bool { return s.Contains(ip) }) {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: no configured subnet contains IP address %s",
				def.Name, ip)
		}
	}
	at.Network, at.Name = def.ID, def.Name
	return nil
}

// othersNetwork refuses, in docker's words, what is the other's to say with
// container:NAME.
func othersNetwork(o *runspec.Options) error {
	for _, c := range []struct {
		said bool
		what string
	}{
		{o.Hostname != "", "hostname and the network mode"},
		{len(o.DNS)+len(o.DNSSearch)+len(o.DNSOptions) > 0, "dns and the network mode"},
		{len(o.AddHosts) > 0, "custom host-to-IP mapping and the network mode"},
		{len(o.Ports) > 0 || o.PublishAll, "port publishing and the container type network mode"},
		{len(o.Expose) > 0, "port exposing and the container type network mode"},
	} {
		if c.said {
			return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: %s", c.what)
		}
	}
	return nil
}

// Check finds what the container is on: it replaces the name in
// container:NAME by the id, so that a rename does not break it, and refuses
// networks that do not exist and names that are none.
func (ns *Networks) Check(ctx context.Context, o *runspec.Options) error {
	if err := checkNames(o); err != nil {
		return err
	}
	if name, joins := strings.CutPrefix(o.Network, string(network.ContainerPrefix)); joins {
		c, err := ns.parts.Container(ctx, name)
		if err != nil {
			return fmt.Errorf("network %s: %w", o.Network, err)
		}
		o.Network = string(network.ContainerPrefix) + c.ID()
		if err := othersNetwork(o); err != nil {
			return err
		}
		if o.Shared.UTS != record.Host {
			o.Hostname = c.Config().Network.Hostname // which is in the files that they share
		}
	}
	alone := strings.HasPrefix(o.Network, string(network.ContainerPrefix)) || o.Network == string(network.Host) ||
		o.Network == string(network.None)
	if alone {
		if err := aloneOnNetwork(o); err != nil {
			return err
		}
		return ns.checkLinks(ctx, o)
	}
	if o.Network == "default" || o.Network == "" {
		o.Network = string(network.Bridge)
	}
	if len(o.Networks) == 0 {
		o.Networks = []network.Attachment{{Name: o.Network}}
	}
	for i := range o.Networks {
		if err := ns.resolve(&o.Networks[i]); err != nil {
			return err
		}
	}
	if only := o.Networks[0]; len(o.Networks) == 1 && only.Network == "" && only.AsksNothing() {
		o.Networks = nil // the default bridge
	}
	return ns.checkLinks(ctx, o)
}

// checkNames refuses what would be another line of the files that names are found by.
func checkNames(o *runspec.Options) error {
	names := []string{o.Hostname, o.Domainname}
	for _, h := range o.AddHosts {
		names = append(names, h.Name)
	}
	for _, name := range names {
		if err := etc.CheckHost(name); err != nil {
			return err
		}
	}
	return etc.CheckResolver(o.DNS, o.DNSSearch, o.DNSOptions)
}

// checkLinks looks at the links of a new container.
func (ns *Networks) checkLinks(ctx context.Context, o *runspec.Options) error {
	if len(o.Links) > 0 && (o.Network == string(network.Host) ||
		strings.HasPrefix(o.Network, string(network.ContainerPrefix))) {
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: network %s cannot be used with links",
			o.Network)
	}
	return ns.findLinked(ctx, o.Links, onNamed(o))
}

// findLinked replaces the names of linked containers by ids. On networks that somebody
// made one is looked for when it is asked for, so it may come later.
func (ns *Networks) findLinked(ctx context.Context, links []network.Link, named bool) error {
	for i, l := range links {
		name := strings.TrimPrefix(l.ID, "/")
		links[i].Alias = cmp.Or(l.Alias, name)
		c, err := ns.parts.Container(ctx, l.ID)
		if errors.Is(err, errdefs.ErrNotFound) && named {
			links[i].ID, links[i].Name = "", name
			continue
		}
		if err != nil {
			return fmt.Errorf("could not get container for %s: %w", l.ID, err)
		}
		links[i].ID, links[i].Name = c.ID(), c.Name()
	}
	return nil
}

// onNamed reports whether a container will be on a network that somebody made.
func onNamed(o *runspec.Options) bool {
	return network.Config{Mode: network.Mode(o.Network), Attachments: o.Networks}.OnNamed()
}

// aloneOnNetwork checks what else is asked of a container without a network of its
// own.
func aloneOnNetwork(o *runspec.Options) error {
	if len(o.Ports) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"publishing ports means nothing with network %s: ports are those of a bridge", o.Network)
	}
	if len(o.Networks) > 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: a container has it alone", o.Network)
	}
	for _, at := range o.Networks {
		if len(at.Aliases) > 0 {
			return errNoAliases
		}
		if !at.AsksNothing() {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"network %s: address and hardware address are for containers in user defined networks", o.Network)
		}
	}
	o.Networks = nil
	return nil
}
