package hosts_test

import (
	"fmt"

	"cove/distribution/client/hosts"
)

func Example() {
	fmt.Println(hosts.BaseOf("docker.io").Addr)
	mirror, err := hosts.MirrorOf("http://mirror.example:5000/hub/")
	fmt.Println(mirror.Host, mirror.Scheme, mirror.Prefix, err)
	p, err := hosts.ParsePolicy([]string{"harbor.example", "10.0.0.0/8"}, nil)
	fmt.Println(p.Plain("harbor.example:443"), p.Plain("10.1.2.3:5000"), p.Plain("quay.io"), p.Plain("localhost"), err)
	// Output:
	// registry-1.docker.io
	// mirror.example:5000 http /hub <nil>
	// true true false true <nil>
}
