// Package links is what a container is given of others that it was linked to on the
// default bridge, where nobody answers names: lines of /etc/hosts and variables, in
// docker's form. On networks that people made, the resolver knows links.
package links

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network"
	"cove/network/publish"
	"cove/runner/record"
)

// Linked is a container that another was linked to.
type Linked struct {
	network.Link
	cfg  record.Config
	name string
	ip   netip.Addr
}

// Find finds the containers that cfg is linked to on the default bridge. One that does
// not run is errdefs.ErrConflict.
func Find(root string, cfg network.Config) (all []Linked, err error) {
	if cfg.OnNamed() {
		return nil, nil
	}
	for _, l := range cfg.Links {
		if l.ID == "" { // it was to come later, on a network that somebody made
			var ok bool
			if l.ID, ok = record.Lookup(root, l.Name); !ok {
				return nil, errdefs.Errorf(errdefs.ErrNotFound,
					"could not get container for %s: no such container", l.Name)
			}
		}
		dir := record.Of(root, l.ID)
		linked := Linked{Link: l}
		if linked.cfg, err = dir.Config(); err != nil {
			return nil, err
		}
		if linked.name, err = dir.Name(); err != nil {
			return nil, err
		}
		if linked.cfg.Network.Mode == network.Host {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: host type networking can't be used with "+
				"links. This would result in undefined behavior: /%s AS /%s/%s", linked.name, cfg.Name, l.Alias)
		}
		st, err := reached(root, l.ID, linked.cfg)
		if err != nil {
			return nil, err
		}
		if !st.Alive() || !st.Network.IP.IsValid() {
			return nil, errdefs.Errorf(errdefs.ErrConflict,
				"Cannot link to a non running container: /%s AS /%s/%s; start it on the same network first", linked.name,
				cfg.Name, l.Alias)
		}
		linked.ip = st.Network.IP.Addr()
		all = append(all, linked)
	}
	return all, nil
}

// reached is the state of a container, or of the one whose network it shares.
func reached(root, id string, cfg record.Config) (record.State, error) {
	for {
		st, err := record.Of(root, id).State()
		owner, shares := cfg.Network.Mode.Peer()
		if err != nil || !st.Alive() || !shares {
			return st, err
		}
		if cfg, err = record.Of(root, owner).Config(); err != nil {
			return st, err
		}
		id = owner
	}
}

// Hosts are the lines of /etc/hosts, NAME:ADDRESS each.
func Hosts(all []Linked) (lines []string) {
	for _, l := range all {
		names := []string{l.Alias, ids.Short(l.ID), l.name, l.cfg.Network.Hostname}
		for i, name := range names {
			if name != "" && !slices.Contains(names[:i], name) {
				lines = append(lines, name+":"+l.ip.String())
			}
		}
	}
	return lines
}

// Env are the variables, for a container of that name.
func Env(name string, all []Linked) (env []string) {
	for _, l := range all {
		prefix := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(l.Alias))
		ports := l.ports()
		if len(ports) > 0 {
			first := ports[0]
			env = append(env, prefix+"_PORT="+first.Protocol()+"://"+l.address(first))
		}
		for _, p := range ports {
			key := prefix + "_PORT_" + strconv.Itoa(int(p.ContainerPort)) + "_" + strings.ToUpper(p.Protocol())
			env = append(env, key+"="+p.Protocol()+"://"+l.address(p), key+"_ADDR="+l.ip.String(),
				key+"_PORT="+strconv.Itoa(int(p.ContainerPort)), key+"_PROTO="+p.Protocol())
		}
		env = append(env, prefix+"_NAME=/"+name+"/"+l.Alias)
		for _, kv := range l.cfg.Spec.Process.Env {
			if key, _, _ := strings.Cut(kv, "="); key != "HOME" && key != "PATH" && key != "HOSTNAME" {
				env = append(env, prefix+"_ENV_"+kv)
			}
		}
	}
	return env
}

func (l Linked) address(p publish.Port) string {
	return netip.AddrPortFrom(l.ip, p.ContainerPort).String()
}

// ports are what the container publishes and its image exposes: TCP first, and the
// lowest.
func (l Linked) ports() []publish.Port {
	all := slices.Clone(l.cfg.Network.Ports)
	if l.cfg.Asked != nil {
		for _, text := range slices.Collect(maps.Keys(l.cfg.Asked.Image.ExposedPorts)) {
			number, proto, _ := strings.Cut(text, "/")
			if n, err := strconv.ParseUint(number, 10, 16); err == nil {
				all = append(all, publish.Port{ContainerPort: uint16(n), Proto: proto})
			}
		}
	}
	order := func(a, b publish.Port) int {
		return cmp.Or(strings.Compare(a.Protocol(), b.Protocol()), cmp.Compare(a.ContainerPort, b.ContainerPort))
	}
	slices.SortFunc(all, order)
	return slices.CompactFunc(all, func(a, b publish.Port) bool { return order(a, b) == 0 })
}
