// Package publish is ports of the host that lead to containers: what one is, and
// holding it against every other program.
package publish

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Port is one published port.
type Port struct {
	// HostIP is the IPv4 address to listen on; invalid or 0.0.0.0 is every one.
	HostIP netip.Addr `json:"hostIP,omitzero"`
	// HostPort 0 asks for a free one, found at start and told in State.
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	// Proto is "tcp" (or empty) or "udp".
	Proto string `json:"proto,omitempty"`
}

// Protocol is Proto, "tcp" when that is empty.
func (p Port) Protocol() string {
	if p.Proto == "" {
		return "tcp"
	}
	return p.Proto
}

// Everywhere reports whether the port is published on every address.
func (p Port) Everywhere() bool { return !p.HostIP.IsValid() || p.HostIP.IsUnspecified() }

// Addr is the address to listen on, 0.0.0.0 for every one.
func (p Port) Addr() netip.Addr {
	if p.Everywhere() {
		return netip.IPv4Unspecified()
	}
	return p.HostIP
}

// String is the host's side, as "0.0.0.0:8080/tcp".
func (p Port) String() string { return fmt.Sprintf("%s:%d/%s", p.Addr(), p.HostPort, p.Protocol()) }

// Validate is errdefs.ErrInvalid or ErrUnsupported for what cannot be published.
func (p Port) Validate() error {
	switch {
	case p.ContainerPort == 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: the container's port is missing", p)
	case p.Protocol() != "tcp" && p.Protocol() != "udp":
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: only tcp and udp can be published", p)
	case !p.Addr().Is4():
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: only IPv4 addresses can be published on",
			p)
	}
	return nil
}

// Reserve takes the port on the host with a socket that nobody ever accepts
// from, because DNAT comes first, and returns the port with its number. It has
// to listen: two merely bound sockets with SO_REUSEADDR share a port, and
// without SO_REUSEADDR a predecessor's TIME_WAIT would be a conflict.
func Reserve(p Port) (Port, int, error) {
	typ := unix.SOCK_STREAM
	if p.Protocol() == "udp" {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return p, -1, fmt.Errorf("network: publishing %s: %w", p, err)
	}
	if typ == unix.SOCK_STREAM {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // only decides about TIME_WAIT
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.HostPort), Addr: p.Addr().As4()})
	if err == nil && typ == unix.SOCK_STREAM {
		err = unix.Listen(fd, 1)
	}
	var local unix.Sockaddr
	if err == nil {
		local, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return p, -1, err
	}
	if in4, ok := local.(*unix.SockaddrInet4); ok {
		p.HostPort = uint16(in4.Port)
	}
	return p, fd, nil
}

// Listener finds the process that listens on a port, as "redis-server (pid 7)"; ""
// if there is none, or it cannot be seen.
func Listener(p Port) string {
	inodes := map[string]bool{}
	for _, table := range []string{p.Protocol(), p.Protocol() + "6"} {
		socketInodes("/proc/thread-self/net/"+table, p.HostPort, p.Protocol() == "tcp", inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		comm, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), pid)
	}
	return ""
}

// socketInodes collects the inodes of sockets bound to port from a table of
// /proc/net; the columns are sl, local, remote, state, …, inode in the tenth.
func socketInodes(path string, port uint16, listening bool, into map[string]bool) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		col := strings.Fields(lines.Text())
		if len(col) < 10 || (listening && col[3] != "0A") {
			continue
		}
		_, hexPort, _ := strings.Cut(col[1], ":")
		if b, err := hex.DecodeString(hexPort); err == nil && len(b) == 2 && uint16(b[0])<<8|uint16(b[1]) == port {
			if _, err := strconv.ParseUint(col[9], 10, 64); err == nil {
				into[col[9]] = true
			}
		}
	}
}

// Conflicts reports whether two ports cannot both be published.
func (p Port) Conflicts(other Port) bool {
	return p.HostPort == other.HostPort && p.Protocol() == other.Protocol() &&
		(p.Everywhere() || other.Everywhere() || p.HostIP == other.HostIP)
}
