package usermode

import (
	"os"
	"os/exec"
	"strconv"

	"cove/network/publish"
)

// pasta gives the namespace a copy of the host's addresses and routes, and keeps the
// addresses of who connects to a published port.
func pasta(namespace *os.File, ports []publish.Port, free func()) (*served, error) {
	path, err := exec.LookPath("pasta")
	if err != nil {
		return nil, err
	}
	args := []string{
		"--foreground", "--quiet", "--config-net", "--ns-ifname", Interface,
		// By its own descriptor: of a process that has rights it gives up, it may open none.
		"--netns-only", "--netns", "/proc/self/fd/0",
		// The host's loopback is the host's own.
		"--no-map-gw", "--tcp-ns", "none", "--udp-ns", "none",
		"--pid", "/proc/self/fd/1", // written when it serves
	}
	for _, proto := range []string{"tcp", "udp"} {
		published := false
		for _, p := range ports {
			if p.Protocol() == proto {
				args, published = append(args, "--"+proto+"-ports", spec(p)), true
			}
		}
		if !published {
			args = append(args, "--"+proto+"-ports", "none")
		}
	}
	free()
	c, err := start(exec.Command(path, args...), namespace) //nolint:noctx // it outlives this call
	if err == nil {
		c.ports = ports
	}
	return c, err
}

// spec is a port in pasta's words.
func spec(p publish.Port) string {
	s := strconv.Itoa(int(p.HostPort)) + ":" + strconv.Itoa(int(p.ContainerPort))
	if p.HostIP.IsValid() {
		s = p.HostIP.String() + "/" + s
	}
	return s
}
