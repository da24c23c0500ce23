package usermode

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"cove/errdefs"
	"cove/network/publish"
)

// slirp gives the namespace an address of a network of its own, behind which is the
// host. All connections to a published port come from there.
func slirp(namespace *os.File, ports []publish.Port, free func()) (*served, error) {
	path, err := exec.LookPath("slirp4netns")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cove-slirp-")
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	defer os.RemoveAll(dir) // it is for the ports, which are asked for once
	socket := filepath.Join(dir, "api")
	args := []string{
		"--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=1", "--api-socket", socket,
		"--netns-type=path", "/proc/self/fd/0", Interface,
	}
	c, err := start(exec.Command(path, args...), namespace) //nolint:noctx // it outlives this call
	if err != nil {
		return nil, err
	}
	free()
	for _, p := range ports {
		if err := forward(socket, p); err != nil {
			c.end()
			return nil, err
		}
	}
	c.ports = ports
	return c, nil
}

// forward asks for a port by the program's own protocol: one request of JSON for each
// connection (slirp4netns(1), "API socket").
func forward(socket string, p publish.Port) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("network: publishing %s: %w", p, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return fmt.Errorf("network: publishing %s: %w", p, err)
	}
	_, err = fmt.Fprintf(conn, `{"execute":"add_hostfwd","arguments":`+
		`{"proto":%q,"host_addr":%q,"host_port":%d,"guest_port":%d}}`,
		p.Protocol(), p.Addr().String(), p.HostPort, p.ContainerPort)
	if err != nil {
		return fmt.Errorf("network: publishing %s: %w", p, err)
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("network: publishing %s: %w", p, err)
	}
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("network: publishing %s: %w", p, err)
	}
	if bytes.Contains(answer[:n], []byte(`"error"`)) {
		return errdefs.Errorf(errdefs.ErrConflict, "network: publishing %s: slirp4netns: %s", p,
			bytes.TrimSpace(answer[:n]))
	}
	return nil
}
