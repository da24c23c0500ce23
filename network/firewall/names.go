package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// RedirectNames leads port 53 of an address of the loopback to the ports that a
// resolver has there, in the namespace of a container:
//
//	table ip cove-names { chain output { type nat hook output priority dstnat;
//	    ip daddr ADDR udp dport 53 dnat to ADDR:UDP
//	    ip daddr ADDR tcp dport 53 dnat to ADDR:TCP } }
//
// So the container may listen on port 53 itself.
func RedirectNames(ns int, addr netip.Addr, udp, tcp uint16) error {
	conn, err := nftables.New(nftables.WithNetNSFd(ns))
	if err != nil {
		return fmt.Errorf("network: opening nftables of the container: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "cove-names", Family: nftables.TableFamilyIPv4})
	chain := conn.AddChain(&nftables.Chain{
		Name: "output", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
	})
	for _, to := range []struct {
		proto byte
		port  uint16
	}{{unix.IPPROTO_UDP, udp}, {unix.IPPROTO_TCP, tcp}} {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: redirect(addr, to.proto, to.port)})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("network: leading names to the resolver: %w", err)
	}
	return nil
}

func redirect(addr netip.Addr, proto byte, port uint16) []expr.Any {
	const domain = 53
	return rule(ip4.target(expr.CmpOpEq, netip.PrefixFrom(addr, addr.BitLen())), []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, domain)},
		&expr.Immediate{Register: 1, Data: addr.AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	})
}
