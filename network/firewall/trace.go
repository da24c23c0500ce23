package firewall

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"

	"cove/network/publish"
)

// Led is where the rules of a table lead a port.
type Led struct {
	// Table and Map have the rule, in nft's words: "ip cove" and "anyports".
	Table, Map string
	To         netip.AddrPort
}

// Leads finds the rule of a port; false when there is none.
func (f *Table) Leads(p publish.Port) (Led, bool, error) {
	set, want := f.element(p, f.subnet.Addr())
	led := Led{Table: f.family() + " " + f.table.Name, Map: set.Name}
	conn, err := nftables.New()
	if err != nil {
		return led, false, fmt.Errorf("network: opening nftables: %w", err)
	}
	if _, there, err := f.Targets(); err != nil || !there {
		return led, false, err
	}
	elements, err := conn.GetSetElements(set)
	if err != nil {
		return led, false, fmt.Errorf("network: reading published ports: %w", err)
	}
	n := int(f.v.len)
	for _, e := range elements {
		if ip, ok := netip.AddrFromSlice(e.Val[:min(n, len(e.Val))]); ok && bytes.Equal(e.Key, want.Key) {
			led.To = netip.AddrPortFrom(ip, uint16(e.Val[n])<<8|uint16(e.Val[n+1]))
			return led, true, nil
		}
	}
	return led, false, nil
}

func (f *Table) family() string {
	if f.IPv6() {
		return "ip6"
	}
	return "ip"
}

// Asked is a chain of another's table that forwarded packets have to pass, too.
type Asked struct {
	// Table and Chain are in nft's words, as "inet firewalld" and "filter_FORWARD".
	Table, Chain string
	// Drops says that it drops what its rules do not accept; Passes that rules of ours
	// in it accept what is for the bridge.
	Drops, Passes bool
}

// Others are the chains of others that packets of this family are led through when
// they are forwarded. Those of other networks made here are left out.
func (f *Table) Others() (all []Asked, err error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("network: opening nftables: %w", err)
	}
	foreign, err := f.foreignChain(conn)
	if err != nil {
		return nil, err
	}
	families := map[nftables.TableFamily]string{f.v.family: f.family(), nftables.TableFamilyINet: "inet"}
	for family, name := range families {
		chains, err := conn.ListChainsOfTableFamily(family)
		if err != nil {
			return nil, fmt.Errorf("network: reading chains: %w", err)
		}
		for _, c := range chains {
			forwards := c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward
			if !forwards || c.Table.Name == f.table.Name || strings.HasPrefix(c.Table.Name, ownPrefix) {
				continue
			}
			asked := Asked{Table: name + " " + c.Table.Name, Chain: c.Name}
			asked.Drops = c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
			if foreign != nil && family == f.v.family && c.Table.Name == foreign.Table.Name {
				mine, err := f.marked(conn, foreign)
				if err != nil {
					return nil, err
				}
				asked.Passes = len(mine) > 0
			}
			all = append(all, asked)
		}
	}
	return all, nil
}

// ownPrefix begins the names of tables that are made here.
const ownPrefix = "cove"
