package publish

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Reserve takes the port on the host with a socket that nobody ever accepts
// from, because DNAT comes first (but for what comes to ::1, see [Port.Carried]), and
// returns the port with its number. It has
// to listen: two merely bound sockets with SO_REUSEADDR share a port, and
// without SO_REUSEADDR a predecessor's TIME_WAIT would be a conflict.
func Reserve(p Port) (Port, int, error) {
	typ, proto, family := p.socket()
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return p, -1, errdefs.Errorf(errdefs.ErrUnsupported, "network: publishing %s: this kernel has no %s", p,
			p.needs())
	}
	if err != nil {
		return p, -1, fmt.Errorf("network: publishing %s: %w", p, err)
	}
	if typ == unix.SOCK_STREAM {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // only decides about TIME_WAIT
	}
	if family == unix.AF_INET6 {
		// Else :: would be the IPv4 addresses too, which have a socket of their own.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(p.Addr(), p.HostPort)))
	if err == nil && typ == unix.SOCK_STREAM {
		err = unix.Listen(fd, backlog)
	}
	var local unix.Sockaddr
	if err == nil {
		local, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return p, -1, err
	}
	switch in := local.(type) {
	case *unix.SockaddrInet4:
		p.HostPort = uint16(in.Port)
	case *unix.SockaddrInet6:
		p.HostPort = uint16(in.Port)
	}
	return p, fd, nil
}

// backlog is how many connections to ::1 may wait to be carried on.
const backlog = 128

func (p Port) socket() (typ, proto, family int) {
	typ, family = unix.SOCK_STREAM, unix.AF_INET
	switch p.Protocol() {
	case "udp":
		typ = unix.SOCK_DGRAM
	case "sctp":
		proto = unix.IPPROTO_SCTP
	}
	if p.IPv6() {
		family = unix.AF_INET6
	}
	return typ, proto, family
}

// needs is what a kernel has to have for the port.
func (p Port) needs() string {
	if p.Protocol() == "sctp" {
		return "SCTP"
	}
	return "IPv6"
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
