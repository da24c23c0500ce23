// Package publish is ports of the host that lead to containers: what one is, and
// holding it against every other program.
package publish

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Port is one published port.
type Port struct {
	// HostIP is the address to listen on: 0.0.0.0 is every one of IPv4, :: every one of
	// IPv6. When it is not valid it is every one of the families that the network has;
	// of a port that is published, every one of IPv4.
	HostIP netip.Addr `json:"hostIP,omitzero"`
	// HostPort 0 asks for a free one, found at start and told in State.
	HostPort uint16 `json:"hostPort"`
	// HostLast asks for the first of HostPort to it that is free; 0 is HostPort alone.
	HostLast      uint16 `json:"hostLast,omitempty"`
	ContainerPort uint16 `json:"containerPort"`
	// Proto is "tcp" (or empty), "udp" or "sctp".
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

// IPv6 reports whether the port is one of the host's IPv6 addresses.
func (p Port) IPv6() bool { return p.HostIP.Is6() && !p.HostIP.Is4In6() }

// CarriedOnly reports whether no rule can lead the port's connections on: of what is
// sent to ::1, as the kernel leads that nowhere else.
func (p Port) CarriedOnly() bool { return p.IPv6() && p.HostIP.IsLoopback() }

// Carried reports whether connections to the port, or some, arrive at its socket and
// are to be carried on from there: those to ::1, and all to an IPv6 address when the
// container has none.
func (p Port) Carried(toIPv6 bool) bool {
	return p.IPv6() && p.Protocol() != "sctp" && (!toIPv6 || p.Everywhere() || p.HostIP.IsLoopback())
}

// Addr is the address to listen on, 0.0.0.0 or :: for every one.
func (p Port) Addr() netip.Addr {
	switch {
	case !p.Everywhere():
		return p.HostIP
	case p.IPv6():
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// String is the host's side, as "0.0.0.0:8080/tcp" or "[::1]:8080/tcp".
func (p Port) String() string {
	return net.JoinHostPort(p.Addr().String(), strconv.Itoa(int(p.HostPort))) + "/" + p.Protocol()
}

// Validate is errdefs.ErrInvalid or ErrUnsupported for what cannot be published.
func (p Port) Validate() error {
	switch {
	case p.ContainerPort == 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: the container's port is missing", p)
	case !slices.Contains([]string{"tcp", "udp", "sctp"}, p.Protocol()):
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: only tcp, udp and sctp can be published", p)
	case p.HostIP.Zone() != "" || p.HostIP.IsLinkLocalUnicast() && p.IPv6():
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"network: publishing %s: an address of one link alone cannot be published on", p)
	}
	return nil
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
	return p.HostPort == other.HostPort && p.Protocol() == other.Protocol() && p.IPv6() == other.IPv6() &&
		(p.Everywhere() || other.Everywhere() || p.HostIP == other.HostIP)
}
