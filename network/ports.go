package network

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func (p Port) proto() string {
	if p.Proto == "" {
		return "tcp"
	}
	return p.Proto
}

func (p Port) everywhere() bool { return !p.HostIP.IsValid() || p.HostIP.IsUnspecified() }

func (p Port) addr() netip.Addr {
	if p.everywhere() {
		return netip.IPv4Unspecified()
	}
	return p.HostIP
}

// String is the host's side, as "0.0.0.0:8080/tcp".
func (p Port) String() string { return fmt.Sprintf("%s:%d/%s", p.addr(), p.HostPort, p.proto()) }

func (p Port) validate() error {
	switch {
	case p.ContainerPort == 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: the container's port is missing", p)
	case p.proto() != "tcp" && p.proto() != "udp":
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: only tcp and udp can be published", p)
	case !p.addr().Is4():
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: only IPv4 addresses can be published on", p)
	}
	return nil
}

// reserve takes the port on the host with a socket that nobody ever accepts
// from, because DNAT comes first, and returns the port with its number. It has
// to listen: two merely bound sockets with SO_REUSEADDR share a port, and
// without SO_REUSEADDR a predecessor's TIME_WAIT would be a conflict.
func reserve(p Port) (Port, int, error) {
	typ := unix.SOCK_STREAM
	if p.proto() == "udp" {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return p, -1, fmt.Errorf("network: publishing %s: %w", p, err)
	}
	if typ == unix.SOCK_STREAM {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // only decides about TIME_WAIT
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.HostPort), Addr: p.addr().As4()})
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

// explain turns the failure to reserve a port into one that names who has it.
func (p *ipam) explain(port Port, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		who := "another program"
		if id, ok := p.portHolder(port); ok {
			who = "container " + short(id)
		} else if name := listener(port); name != "" {
			who = name
		}
		return errdefs.Errorf(errdefs.ErrConflict, "network: publishing %s: port is in use by %s; choose another, or stop it", port, who)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: %s is not an address of this host", port, port.addr())
	}
	return fmt.Errorf("network: publishing %s: %w", port, err)
}

// listener finds the process that listens on a port, as "redis-server (pid 7)".
func listener(p Port) string {
	inodes := map[string]bool{}
	for _, table := range []string{p.proto(), p.proto() + "6"} {
		socketInodes("/proc/thread-self/net/"+table, p.HostPort, p.proto() == "tcp", inodes)
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
