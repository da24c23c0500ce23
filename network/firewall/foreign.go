package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// iptables' and ip6tables' own table, as iptables-nft keeps them, and the chain in it
// that is the administrator's: made if it is not there, and never changed or removed.
const (
	foreignTable = "filter"
	userChain    = "COVE-USER"
)

// passForeign lets the bridge through a foreign firewall that drops what it
// does not know: an accept in our table would not help, because a packet has to
// pass every table. docker leaves DOCKER-USER for this; otherwise the rules go
// first in FORWARD. Before them the administrator's own chain is asked. All are plain
// enough for iptables to list them.
func (f *Table) passForeign(conn *nftables.Conn) error {
	chain, err := f.foreignChain(conn)
	if chain == nil || err != nil {
		return err
	}
	for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
		conn.InsertRule(&nftables.Rule{
			Table: chain.Table, Chain: chain, UserData: f.mark(),
			Exprs: rule(f.iface(key, expr.CmpOpEq), one(&expr.Counter{}), one(&expr.Verdict{Kind: expr.VerdictAccept})),
		})
	}
	user := conn.AddChain(&nftables.Chain{Name: userChain, Table: chain.Table})
	conn.InsertRule(&nftables.Rule{
		Table: chain.Table, Chain: chain, UserData: f.mark(),
		Exprs: rule(one(&expr.Counter{}), one(&expr.Verdict{Kind: expr.VerdictJump, Chain: user.Name})),
	})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("network: letting %s through %s: %w", f.bridge, chain.Name, err)
	}
	return nil
}

// unpassForeign removes what passForeign added.
func (f *Table) unpassForeign(conn *nftables.Conn) error {
	chain, err := f.foreignChain(conn)
	if chain == nil || err != nil {
		return err
	}
	mine, err := f.marked(conn, chain)
	if len(mine) == 0 || err != nil {
		return err
	}
	for _, r := range mine {
		if err := conn.DelRule(r); err != nil {
			return fmt.Errorf("network: leaving %s: %w", chain.Name, err)
		}
	}
	return conn.Flush()
}

// mark is a comment in the form nft keeps it: type 0, length, text, NUL.
func (f *Table) mark() []byte {
	text := "cove " + f.bridge + "\x00"
	return append([]byte{0, byte(len(text))}, text...)
}

// foreignChain is where a rule must go to be let through, or nil when nothing
// drops by default.
func (f *Table) foreignChain(conn *nftables.Conn) (*nftables.Chain, error) {
	table, err := conn.ListTableOfFamily(foreignTable, f.v.family)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network: looking at foreign firewalls: %w", err)
	}
	forward, err := conn.ListChain(table, "FORWARD")
	if err != nil || forward.Policy == nil || *forward.Policy != nftables.ChainPolicyDrop {
		return nil, nil //nolint:nilerr // without a FORWARD chain nothing is dropped
	}
	if user, err := conn.ListChain(table, "DOCKER-USER"); err == nil {
		return user, nil
	}
	return forward, nil
}
