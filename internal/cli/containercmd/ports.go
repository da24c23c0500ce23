package containercmd

import (
	"fmt"
	"strconv"
	"strings"

	"cove/engine/listing"
)

// ports shows ports as docker does: 0.0.0.0:8080->80/tcp, 6379/tcp. Neighbours
// make a range, 7000-7002/tcp, unless they are published at other numbers.
func ports(r listing.Container) string {
	var out, moved []string
	at := map[string]int{} // the group that may still grow, by all but the number
	var groups [][]listing.Port
	for _, p := range r.Ports() {
		if p.HostIP != "" && p.HostPort != p.ContainerPort {
			moved = append(moved, fmt.Sprintf("%s:%d->%s", p.HostIP, p.HostPort, p))
			continue
		}
		key := p.HostIP + "/" + p.Proto
		i, ok := at[key]
		if !ok || groups[i][len(groups[i])-1].ContainerPort+1 != p.ContainerPort {
			at[key] = len(groups)
			groups = append(groups, []listing.Port{p})
			continue
		}
		groups[i] = append(groups[i], p)
	}
	for _, g := range groups {
		out = append(out, groupText(g))
	}
	return strings.Join(append(out, moved...), ", ")
}

func groupText(g []listing.Port) string {
	first, last := g[0], g[len(g)-1]
	numbers := strconv.Itoa(int(first.ContainerPort))
	if len(g) > 1 {
		numbers += "-" + strconv.Itoa(int(last.ContainerPort))
	}
	if first.HostIP != "" {
		numbers = first.HostIP + ":" + numbers + "->" + numbers
	}
	return numbers + "/" + first.Proto
}
