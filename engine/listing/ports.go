package listing

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"cove/network/publish"
	"cove/runner/record"
)

// Port is a port of a container: exposed by its image, or published on the host.
type Port struct {
	// HostIP is the address of the host; "" for one that is exposed only.
	HostIP        string
	HostPort      uint16
	ContainerPort uint16
	Proto         string // tcp, udp or sctp
}

// String is the container's end, as 80/tcp.
func (p Port) String() string { return strconv.Itoa(int(p.ContainerPort)) + "/" + p.Proto }

// Host is the host's end, as 0.0.0.0:8080.
func (p Port) Host() string { return net.JoinHostPort(p.HostIP, strconv.Itoa(int(p.HostPort))) }

// Published are the ports that a container in a state has on the host.
func Published(s record.State) []Port {
	var all []Port
	for _, p := range s.Network.Ports {
		all = append(all, Port{
			HostIP: p.Addr().String(), HostPort: p.HostPort, ContainerPort: p.ContainerPort, Proto: p.Protocol(),
		})
	}
	return all
}

// At leaves of ports those at one end of the container: 80/tcp, or 80 for tcp.
func At(ports []Port, want string) []Port {
	return slices.DeleteFunc(slices.Clone(ports), func(p Port) bool {
		return p.String() != want && p.String() != want+"/tcp"
	})
}

// Ports are the published ports, and those exposed that are not, in order; none
// of a container that does not run.
func (c Container) Ports() []Port {
	if !c.Runs() {
		return nil
	}
	all := Published(c.State)
	published := map[string]bool{}
	for _, p := range all {
		published[p.String()] = true
	}
	for _, text := range c.Exposed {
		for _, p := range exposed(text) {
			if !published[p.String()] {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.HostIP, b.HostIP),
			cmp.Compare(a.HostPort, b.HostPort), cmp.Compare(a.Proto, b.Proto))
	})
	return all
}

// exposed reads 6379, 6379/tcp or 7000-7002/udp, as an image's config has them;
// what is none of these is left out.
func exposed(text string) (all []Port) {
	numbers, proto, _ := strings.Cut(text, "/")
	from, to, _ := strings.Cut(numbers, "-")
	first, err := strconv.ParseUint(from, 10, 16)
	last, lerr := strconv.ParseUint(cmp.Or(to, from), 10, 16)
	if err != nil || lerr != nil {
		return nil
	}
	for n := first; n <= last; n++ {
		all = append(all, Port{ContainerPort: uint16(n), Proto: publish.Port{Proto: proto}.Protocol()})
	}
	return all
}
