package containercmd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cove/engine/listing"
	"cove/network/publish"
	"cove/runner/record"
)

// shown is a port as ps shows it: exposed, or published at ip when that is set.
type shown struct {
	ip         string
	host, port uint16
	proto      string
}

// ports shows ports as docker does: 0.0.0.0:8080->80/tcp, 6379/tcp. Neighbours
// make a range, 7000-7002/tcp, unless they are published at other numbers.
func ports(r listing.Container) string {
	if r.State.Status != record.Running && r.State.Status != record.Paused {
		return ""
	}
	var out, moved []string
	at := map[string]int{} // the group that may still grow, by all but the number
	var groups [][]shown
	for _, p := range portsOf(r) {
		if p.ip != "" && p.host != p.port {
			moved = append(moved, fmt.Sprintf("%s:%d->%d/%s", p.ip, p.host, p.port, p.proto))
			continue
		}
		key := p.ip + "/" + p.proto
		i, ok := at[key]
		if !ok || groups[i][len(groups[i])-1].port+1 != p.port {
			at[key] = len(groups)
			groups = append(groups, []shown{p})
			continue
		}
		groups[i] = append(groups[i], p)
	}
	for _, g := range groups {
		out = append(out, groupText(g))
	}
	return strings.Join(append(out, moved...), ", ")
}

func groupText(g []shown) string {
	first, last := g[0], g[len(g)-1]
	numbers := strconv.Itoa(int(first.port))
	if len(g) > 1 {
		numbers += "-" + strconv.Itoa(int(last.port))
	}
	if first.ip != "" {
		numbers = first.ip + ":" + numbers + "->" + numbers
	}
	return numbers + "/" + first.proto
}

// portsOf are the published ports, and those exposed that are not, in order.
func portsOf(r listing.Container) []shown {
	var all []shown
	published := map[string]bool{}
	for _, p := range r.State.Network.Ports {
		published[containerEnd(p)] = true
		all = append(all, shown{ip: hostIP(p), host: p.HostPort, port: p.ContainerPort, proto: cmp.Or(p.Proto, "tcp")})
	}
	for _, text := range r.Exposed {
		for _, p := range exposed(text) {
			if !published[containerEnd(p)] {
				all = append(all, shown{port: p.ContainerPort, proto: p.Proto})
			}
		}
	}
	slices.SortFunc(all, func(a, b shown) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.ip, b.ip),
			cmp.Compare(a.host, b.host), cmp.Compare(a.proto, b.proto))
	})
	return all
}

// exposed reads 6379, 6379/tcp or 7000-7002/udp, as an image's config has them;
// what is none of these is left out.
func exposed(text string) (all []publish.Port) {
	numbers, proto, _ := strings.Cut(text, "/")
	from, to, _ := strings.Cut(numbers, "-")
	first, err := strconv.ParseUint(from, 10, 16)
	last, lerr := strconv.ParseUint(cmp.Or(to, from), 10, 16)
	if err != nil || lerr != nil {
		return nil
	}
	for n := first; n <= last; n++ {
		all = append(all, publish.Port{ContainerPort: uint16(n), Proto: cmp.Or(proto, "tcp")})
	}
	return all
}
