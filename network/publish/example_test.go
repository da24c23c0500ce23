package publish_test

import (
	"fmt"
	"net/netip"

	"cove/network/publish"
)

// Two ports conflict if one connection could be meant for both.
func ExamplePort_Conflicts() {
	everywhere := publish.Port{HostPort: 8080, ContainerPort: 80}
	for _, other := range []publish.Port{
		{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 8080, ContainerPort: 81},
		{HostPort: 8080, ContainerPort: 80, Proto: "udp"},
		{HostPort: 8081, ContainerPort: 80},
	} {
		fmt.Println(other, everywhere.Conflicts(other))
	}
	// Output:
	// 127.0.0.1:8080/tcp true
	// 0.0.0.0:8080/udp false
	// 0.0.0.0:8081/tcp false
}
