package ipam_test

import (
	"fmt"
	"net/netip"
	"os"

	"cove/network/ipam"
)

// Addresses are given out under a lock of their directory, the one that was asked for or
// else the next that is free.
func Example() {
	dir, _ := os.MkdirTemp("", "ipam")
	defer os.RemoveAll(dir)
	err := ipam.Update(dir, func(p *ipam.Pool) error {
		p.Subnet = netip.MustParsePrefix("10.88.0.0/16")
		p.Leases = map[string]ipam.Lease{}
		fmt.Println("gateway", p.Gateway())
		for _, want := range []string{"", "10.88.0.9", ""} {
			addr, _ := netip.ParseAddr(want)
			got, err := p.Assign(fmt.Sprint(len(p.Leases)), addr)
			fmt.Println(got, err)
			p.Leases[fmt.Sprint(len(p.Leases))] = ipam.Lease{IP: got}
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// gateway 10.88.0.1
	// 10.88.0.2 <nil>
	// 10.88.0.9 <nil>
	// 10.88.0.3 <nil>
	// <nil>
}
