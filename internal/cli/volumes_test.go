package cli

import "testing"

// TestVolumesAndNetworks: volumes and networks are made, listed and removed.
func TestVolumesAndNetworks(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.story([]step{
		{"volume create --label a=b data", 0, "data\n"},
		{"volume create --label =x y", 125, "cove: --label \"=x\": want KEY=VALUE\n"},
		{"volume create -d nfs x", 1, "cove: --driver nfs: there is only local\n"},
		{"volume ls", 0, "" +
			"DRIVER    VOLUME NAME\n" +
			"local     data\n"},
		{"volume ls -q -f name=dat", 0, "data\n"},
		{`volume ls --format '{{.Name}} {{.Labels}} {{.Label "a"}} {{.Links}} {{.Size}}'`, 0, "data a=b b N/A N/A\n"},
		{"volume ls -f x=y", 1, "cove: invalid filter 'x': there are dangling, driver, label, name\n"},
		{"volume ls -f dangling=maybe", 1, "cove: invalid filter 'dangling=maybe': want true or false\n"},
		{"volume inspect data -f '{{.Mountpoint}} {{.Labels}}'", 0, "$ROOT/volumes/data/_data map[a:b]\n"},
		{"volume inspect nothing", 1, "" +
			"[]\n" +
			"cove: no such volume: nothing\n"},
		{"volume rm data nothing", 1, "" +
			"data\n" +
			"cove: no such volume: nothing\n"},
		{"volume rm -f nothing", 0, "cove: no such volume: nothing\n"},
		{"volume rm", 1, "cove: \"cove volume rm\" requires at least 1 argument (cove volume rm [flags] VOLUME [VOLUME...]). See 'cove volume rm --help'\n"},
		{"volume create", 0, "LONG-ID\n"},
		{"volume prune", 0, "" +
			"Deleted Volumes:\n" +
			"LONG-ID\n" +
			"\n" +
			"Total reclaimed space: 0B\n"},
		{"volume create kept", 0, "kept\n"},
		{"volume prune", 0, "Total reclaimed space: 0B\n"},
		{"volume prune -a", 0, "" +
			"Deleted Volumes:\n" +
			"kept\n" +
			"\n" +
			"Total reclaimed space: 0B\n"},
		{"network create --subnet 10.73.0.0/24 --label a=b web", 0, "LONG-ID\n"},
		{"network create web", 1, "cove: network with name web already exists\n"},
		{"network create -d overlay xx", 1, "cove: network driver overlay: there are bridge, macvlan and ipvlan\n"},
		{"network create --ipv4=false x", 1, "cove: --ipv4=false: every network has IPv4 addresses\n"},
		{"network create -o nonsense x", 1, "cove: --opt nonsense: want KEY=VALUE\n"},
		{"network create --subnet nonsense x", 1, "cove: network x: subnet \"nonsense\" is no ADDRESS/LENGTH\n"},
		{"network create --subnet 10.73.0.0/25 other", 1, "cove: network other: Pool overlaps with other one on this address space: subnet 10.73.0.0/24 is that of network web\n"},
		{"network ls", 0, "" +
			"NETWORK ID     NAME      DRIVER    SCOPE\n" +
			"SHORT-ID----   bridge    bridge    local\n" +
			"SHORT-ID----   host      host      local\n" +
			"SHORT-ID----   none      null      local\n" +
			"SHORT-ID----   web       bridge    local\n"},
		{`network ls -f type=custom --format '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.Label "a"}}'`, 0, "web bridge local true false false a=b b\n"},
		{"network ls -f type=odd", 1, "cove: invalid filter 'type=odd': it cannot have that value\n"},
		{"network ls -q -f name=we", 0, "SHORT-ID----\n"},
		{"network inspect web -f '{{.Driver}} {{(index .IPAM.Config 0).Subnet}}'", 0, "bridge 10.73.0.0/24\n"},
		{"network inspect nothing", 1, "" +
			"[]\n" +
			"cove: network nothing not found\n"},
		{"network connect web nothing", 1, "cove: No such container: nothing\n"},
		{"network disconnect web nothing", 1, "cove: No such container: nothing\n"},
		{"network disconnect -f web nothing", 0, "cove: No such container: nothing\n"},
		{"network rm bridge", 1, "cove: bridge is a pre-defined network and cannot be removed\n"},
		{"network rm web nothing", 1, "" +
			"web\n" +
			"cove: network nothing not found\n"},
		{"network rm -f nothing", 0, "cove: network nothing not found\n"},
		{"network prune", 0, ""},
	})
}
