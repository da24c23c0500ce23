package parse_test

import (
	"fmt"

	"cove/engine/runspec/parse"
)

// What is typed after -p and -v, in docker's grammar.
func Example() {
	ports, err := parse.Ports("127.0.0.1:8080-8081:80-81/udp")
	fmt.Println(len(ports), ports[1].HostIP, ports[1].HostPort, ports[1].ContainerPort, ports[1].Proto, err)
	v, err := parse.Volume("data:/var/lib/data:ro")
	fmt.Println(v.Source, v.Target, v.ReadOnly, err)
	// Output:
	// 2 127.0.0.1 8081 81 udp <nil>
	// data /var/lib/data true <nil>
}
