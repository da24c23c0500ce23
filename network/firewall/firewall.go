// Package firewall is what a network of containers asks of nftables: NAT, published
// ports, and who may talk to whom.
package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"cove/network/publish"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Table is one nftables table of family ip, or ip6 for a subnet of IPv6. What it holds,
// in nft's words:
//
//	map ports    { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//	map anyports { type inet_proto . inet_service : ipv4_addr . inet_service }
//	chain localnet    { type filter hook prerouting priority raw;     iifname BRIDGE ip daddr 127.0.0.0/8 drop }
//	chain prerouting  { type nat hook prerouting priority dstnat;
//	    fib daddr type local dnat ip to meta l4proto . th dport map @anyports
//	    ip daddr != 127.0.0.0/8 dnat ip to ip daddr . meta l4proto . th dport map @ports }
//	chain output      { type nat hook output priority dstnat;         the same two, loopback included }
//	chain postrouting { type nat hook postrouting priority srcnat;
//	    ip saddr SUBNET oifname != BRIDGE masquerade
//	    oifname BRIDGE ct status dnat ip saddr SUBNET masquerade        (a container through its host's port)
//	    oifname BRIDGE ct status dnat ip saddr 127.0.0.0/8 masquerade   (the host through its own loopback) }
//	chain forward     { type filter hook forward priority filter;
//	    iifname BRIDGE accept; oifname BRIDGE ct status dnat accept
//	    oifname BRIDGE ct state established,related accept; oifname BRIDGE drop }
//
// With IPv6 addresses are longer, the loopback is ::1, and what the host sends to ::1
// is not translated: the kernel leads it nowhere else, so that whoever holds the port
// has to carry it on.
//
// Ports are elements of maps, so that publishing and unpublishing touch nothing
// else and need no handle.
type Table struct {
	table  *nftables.Table
	bridge string
	subnet netip.Prefix
	policy Policy
	v      version
}

// Policy is what a network asks beyond the usual.
type Policy struct {
	// Internal lets nothing in or out: the forward chain begins with
	// "iifname BRIDGE oifname != BRIDGE drop".
	Internal bool
	// NoMasquerade leaves out the first rule of postrouting.
	NoMasquerade bool
	// Source is the address that the first rule of postrouting gives what leaves, in the
	// place of masquerade; not valid for that of the link it leaves by.
	Source netip.Addr
}

// With returns the table under a policy.
func (f *Table) With(p Policy) *Table {
	with := *f
	with.policy = p
	return &with
}

// New describes the table of this name for a bridge and its subnet. Nothing is
// asked of the kernel yet.
func New(table, bridge string, subnet netip.Prefix) *Table {
	f := &Table{table: &nftables.Table{Name: table}, bridge: bridge, subnet: subnet.Masked(), v: ip4}
	if subnet.Addr().Is6() {
		f.v = ip6
	}
	f.table.Family = f.v.family
	return f
}

// version is what differs between the families.
type version struct {
	family   nftables.TableFamily
	addr     nftables.SetDatatype
	len      uint32 // of an address
	src, dst uint32 // where they are in the header
	loopback netip.Prefix
}

var (
	ip4 = version{nftables.TableFamilyIPv4, nftables.TypeIPAddr, 4, 12, 16, netip.MustParsePrefix("127.0.0.0/8")}
	ip6 = version{nftables.TableFamilyIPv6, nftables.TypeIP6Addr, 16, 8, 24, netip.MustParsePrefix("::1/128")}
)

// IPv6 reports whether it is a table of family ip6.
func (f *Table) IPv6() bool { return f.v.len == ip6.len }

func (f *Table) ports() *nftables.Set {
	return f.mapOf("ports", f.v.addr, nftables.TypeInetProto, nftables.TypeInetService)
}

func (f *Table) anyPorts() *nftables.Set {
	return f.mapOf("anyports", nftables.TypeInetProto, nftables.TypeInetService)
}

func (f *Table) mapOf(name string, key ...nftables.SetDatatype) *nftables.Set {
	return &nftables.Set{
		Table: f.table, Name: name, IsMap: true, Concatenation: true,
		KeyType:  nftables.MustConcatSetType(key...),
		DataType: nftables.MustConcatSetType(f.v.addr, nftables.TypeInetService),
	}
}

// Ensure makes the table if it is not there. One lookup is all it costs then.
func (f *Table) Ensure() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("network: opening nftables: %w", err)
	}
	if _, err := conn.ListTableOfFamily(f.table.Name, f.table.Family); err == nil {
		return nil
	} else if !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("network: looking for nftables table %s: %w", f.table.Name, err)
	}
	conn.AddTable(f.table)
	for i, set := range []*nftables.Set{f.ports(), f.anyPorts()} {
		set.ID = uint32(i + 1) // within this batch; the library would count them in a variable that is not locked
		if err := conn.AddSet(set, nil); err != nil {
			return fmt.Errorf("network: nftables map %s: %w", set.Name, err)
		}
	}
	for _, c := range f.chains() {
		chain := conn.AddChain(&nftables.Chain{
			Name: c.name, Table: f.table, Type: c.kind, Hooknum: c.hook, Priority: c.priority,
		})
		for _, rule := range c.rules {
			conn.AddRule(&nftables.Rule{Table: f.table, Chain: chain, Exprs: rule})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("network: making nftables table %s: %w", f.table.Name, err)
	}
	return f.passForeign(conn)
}

// Drop removes the whole table; one that is not there is fine.
func (f *Table) Drop() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("network: opening nftables: %w", err)
	}
	conn.DelTable(f.table)
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("network: removing nftables table %s: %w", f.table.Name, err)
	}
	return f.unpassForeign(conn)
}

// A message has so many elements, as the attribute that holds them has 64 KiB at most, and
// a batch so many, as a socket takes 208 KiB at once; an element has some 70 bytes.
const (
	inMessage = 256
	inBatch   = 8 * inMessage
)

// Publish sends ports to a container. The caller has reserved them, so that an
// element which is there already is nobody's, and replaced.
func (f *Table) Publish(ports []publish.Port, ip netip.Addr) error {
	err := f.add(ports, ip)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := f.Unpublish(ports, ip); err != nil {
		return err
	}
	return f.add(ports, ip)
}

// add adds all or none.
func (f *Table) add(ports []publish.Port, ip netip.Addr) error {
	done := 0
	for some := range slices.Chunk(ports, inBatch) {
		if err := f.change(some, ip, (*nftables.Conn).SetAddElements); err != nil {
			return errors.Join(err, f.Unpublish(ports[:done], ip))
		}
		done += len(some)
	}
	return nil
}

// Unpublish takes ports back, and minds nothing that is gone already.
func (f *Table) Unpublish(ports []publish.Port, ip netip.Addr) error {
	var errs []error
	for some := range slices.Chunk(ports, inBatch) {
		errs = append(errs, f.remove(some, ip))
	}
	return errors.Join(errs...)
}

// remove removes a batch of ports. One that is missing keeps the others, too, as a batch is
// all or nothing: then those are removed that are there.
func (f *Table) remove(ports []publish.Port, ip netip.Addr) error {
	err := f.change(ports, ip, (*nftables.Conn).SetDeleteElements)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	if ports, err = f.present(ports, ip); err != nil || len(ports) == 0 {
		return err
	}
	return f.change(ports, ip, (*nftables.Conn).SetDeleteElements)
}

// present are those of the ports that are published, wherever they lead.
func (f *Table) present(ports []publish.Port, ip netip.Addr) (there []publish.Port, err error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("network: opening nftables: %w", err)
	}
	keys := map[string]bool{}
	for _, set := range []*nftables.Set{f.ports(), f.anyPorts()} {
		all, err := conn.GetSetElements(set)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("network: reading published ports: %w", err)
		}
		for _, e := range all {
			keys[set.Name+string(e.Key)] = true
		}
	}
	for _, p := range ports {
		if set, e := f.element(p, ip); keys[set.Name+string(e.Key)] {
			there = append(there, p)
		}
	}
	return there, nil
}

// change is one batch.
func (f *Table) change(
	ports []publish.Port, ip netip.Addr, apply func(*nftables.Conn, *nftables.Set, []nftables.SetElement) error,
) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("network: opening nftables: %w", err)
	}
	sets, elements := map[string]*nftables.Set{}, map[string][]nftables.SetElement{}
	for _, port := range ports {
		set, element := f.element(port, ip)
		sets[set.Name] = set
		elements[set.Name] = append(elements[set.Name], element)
	}
	for name, all := range elements {
		for some := range slices.Chunk(all, inMessage) {
			if err := apply(conn, sets[name], some); err != nil {
				return fmt.Errorf("network: publishing %s: %w", ports[0], err)
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("network: changing published ports: %w", err)
	}
	return nil
}

func (f *Table) element(p publish.Port, ip netip.Addr) (*nftables.Set, nftables.SetElement) {
	proto := map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "sctp": unix.IPPROTO_SCTP}[p.Protocol()]
	// Each part of a concatenation fills whole 32-bit registers.
	key := []byte{proto, 0, 0, 0, byte(p.HostPort >> 8), byte(p.HostPort), 0, 0}
	val := append(ip.AsSlice(), byte(p.ContainerPort>>8), byte(p.ContainerPort), 0, 0)
	if p.Everywhere() {
		return f.anyPorts(), nftables.SetElement{Key: key, Val: val}
	}
	return f.ports(), nftables.SetElement{Key: append(p.Addr().AsSlice(), key...), Val: val}
}

type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	rules    [][]expr.Any
}

func (f *Table) chains() []chain {
	drop, accept := &expr.Verdict{Kind: expr.VerdictDrop}, &expr.Verdict{Kind: expr.VerdictAccept}
	in, out := f.iface(expr.MetaKeyIIFNAME, expr.CmpOpEq), f.iface(expr.MetaKeyOIFNAME, expr.CmpOpEq)
	notOut := f.iface(expr.MetaKeyOIFNAME, expr.CmpOpNeq)
	v := f.v
	fromSubnet, fromLoopback := v.source(expr.CmpOpEq, f.subnet), v.source(expr.CmpOpEq, v.loopback)
	toLoopback, notToLoopback := v.target(expr.CmpOpEq, v.loopback), v.target(expr.CmpOpNeq, v.loopback)
	output := [][]expr.Any{f.dnatAny(), f.dnatAddr()}
	if f.IPv6() {
		output = [][]expr.Any{rule(notToLoopback, f.dnatAny()), rule(notToLoopback, f.dnatAddr())}
	}
	dnatted, answers := ctBits(expr.CtKeySTATUS, ctStatusDNAT), ctBits(expr.CtKeySTATE,
		expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED)
	masq := []expr.Any{&expr.Masq{}}
	outward, forward := [][]expr.Any{rule(fromSubnet, notOut, f.source())}, [][]expr.Any(nil)
	if f.policy.Internal || f.policy.NoMasquerade {
		outward = nil
	}
	if f.policy.Internal {
		forward = [][]expr.Any{rule(in, notOut, one(drop))}
	}
	return []chain{
		{"localnet", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, [][]expr.Any{
			rule(in, toLoopback, one(drop)),
		}},
		{"prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, [][]expr.Any{
			f.dnatAny(), rule(notToLoopback, f.dnatAddr()),
		}},
		{"output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, output},
		{
			"postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource,
			append(outward, rule(out, dnatted, fromSubnet, masq), rule(out, dnatted, fromLoopback, masq)),
		},
		{
			"forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter,
			append(forward, rule(in, one(accept)), rule(out, dnatted, one(accept)), rule(out, answers, one(accept)),
				rule(out, one(drop))),
		},
	}
}

// source is what gives packets that leave the host another address.
func (f *Table) source() []expr.Any {
	if !f.policy.Source.IsValid() {
		return []expr.Any{&expr.Masq{}}
	}
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: f.policy.Source.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(f.v.family), RegAddrMin: 1},
	}
}

// ct status and fib values of the kernel.
const (
	ctStatusDNAT = 1 << 5 // IPS_DST_NAT
	rtnLocal     = 2      // RTN_LOCAL
	// firstReg is the first register of 32 bits; the others follow.
	firstReg = 8
)

func one(e expr.Any) []expr.Any { return []expr.Any{e} }

func rule(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func (f *Table) iface(key expr.MetaKey, op expr.CmpOp) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, f.bridge)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: name}}
}

func (v version) source(op expr.CmpOp, p netip.Prefix) []expr.Any { return v.address(v.src, op, p) }
func (v version) target(op expr.CmpOp, p netip.Prefix) []expr.Any { return v.address(v.dst, op, p) }

func (v version) address(offset uint32, op expr.CmpOp, p netip.Prefix) []expr.Any {
	mask := make([]byte, v.len)
	for i := range p.Bits() {
		mask[i/8] |= 1 << (7 - i%8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: v.len},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: v.len, Mask: mask, Xor: make([]byte, v.len)},
		&expr.Cmp{Op: op, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

func ctBits(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits),
			Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

func (f *Table) dnatAny() []expr.Any {
	return append([]expr.Any{
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(rtnLocal)},
	}, f.dnat("anyports", f.portKey(firstReg)...)...)
}

func (f *Table) dnatAddr() []expr.Any {
	addr := &expr.Payload{
		DestRegister: firstReg, Base: expr.PayloadBaseNetworkHeader, Offset: f.v.dst, Len: f.v.len,
	}
	return f.dnat("ports", append([]expr.Any{addr}, f.portKey(firstReg+f.v.len/4)...)...)
}

// portKey loads protocol and port into two registers.
func (f *Table) portKey(reg uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Payload{DestRegister: reg + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

// dnat translates to what a map has for the key that was loaded.
func (f *Table) dnat(set string, key ...expr.Any) []expr.Any {
	return append(key,
		&expr.Lookup{SourceRegister: firstReg, DestRegister: firstReg, IsDestRegSet: true, SetName: set},
		&expr.NAT{
			Type: expr.NATTypeDestNAT, Family: uint32(f.v.family), RegAddrMin: firstReg,
			RegProtoMin: firstReg + f.v.len/4,
		})
}

// Targets are what published ports lead to, as the kernel has them; there is false
// when the table is not.
func (f *Table) Targets() (targets []netip.AddrPort, there bool, err error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, false, fmt.Errorf("network: opening nftables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(f.table.Family)
	if err != nil {
		return nil, false, fmt.Errorf("network: reading rules: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == f.table.Name }) {
		return nil, false, nil
	}
	for _, set := range []*nftables.Set{f.ports(), f.anyPorts()} {
		elements, err := conn.GetSetElements(set)
		if err != nil {
			return nil, true, fmt.Errorf("network: reading published ports: %w", err)
		}
		for _, e := range elements {
			n := int(f.v.len)
			if len(e.Val) < n+2 {
				continue
			}
			if ip, ok := netip.AddrFromSlice(e.Val[:n]); ok {
				targets = append(targets, netip.AddrPortFrom(ip, uint16(e.Val[n])<<8|uint16(e.Val[n+1])))
			}
		}
	}
	return targets, true, nil
}
