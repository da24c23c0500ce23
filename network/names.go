package network

import (
	"fmt"
	"net"
	"net/netip"

	"cove/errdefs"
	"cove/network/etc"
	"cove/network/firewall"
)

// Answering is the network with answers to questions for names, as resolve.Serve gives
// them: only a program that stays as long as the container can, so no other links it.
func (n *Network) Answering(answer etc.Answer) *Network {
	n.answer = answer
	return n
}

// startNames serves names in the namespace. The sockets are opened in it and
// answered from here, where the host's servers are within reach.
func (e *Endpoint) startNames(cfg Config) error {
	if e.net.answer == nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "network: this program answers no questions for names")
	}
	var udp net.PacketConn
	var tcp net.Listener
	err := e.ns.Inside(func() (err error) {
		here := netip.AddrPortFrom(etc.Resolver, 0)
		if udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(here)); err != nil {
			return err
		}
		tcp, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(here))
		return err
	})
	if err != nil {
		if udp != nil {
			udp.Close()
		}
		return fmt.Errorf("network: listening for names in the container: %w", err)
	}
	asker := etc.Asker{Dir: e.net.first.Dir, ID: e.id, Links: map[string]etc.Link{}}
	for _, l := range cfg.Links {
		asker.Links[l.Alias] = etc.Link{ID: l.ID, Name: l.Name}
	}
	if e.outward() != nil {
		asker.Upstreams = etcOf(cfg, State{}).Upstreams()
	}
	e.names = e.net.answer(udp, tcp, asker)
	return firewall.RedirectNames(e.ns.FD(), etc.Resolver, port(udp.LocalAddr()), port(tcp.Addr()))
}

func port(a net.Addr) uint16 {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return p.Port()
}
