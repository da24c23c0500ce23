package firewall

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Whole reports whether the kernel has all rules of the table, and lets the bridge
// through a foreign firewall: others may have flushed them.
func (f *Table) Whole() (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("network: opening nftables: %w", err)
	}
	for _, c := range f.chains() {
		rules, err := conn.GetRules(f.table, &nftables.Chain{Name: c.name, Table: f.table})
		if errors.Is(err, unix.ENOENT) || err == nil && len(rules) != len(c.rules) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("network: reading rules of table %s: %w", f.table.Name, err)
		}
	}
	chain, err := f.foreignChain(conn)
	if chain == nil || err != nil {
		return err == nil, err
	}
	mine, err := f.marked(conn, chain)
	return len(mine) > 0, err
}

// Rebuild makes the table anew, without published ports. Connections that are
// established go on meanwhile: the kernel knows how they are translated.
func (f *Table) Rebuild() error {
	if err := f.Drop(); err != nil {
		return err
	}
	return f.Ensure()
}

// marked are the rules of ours in a foreign chain.
func (f *Table) marked(conn *nftables.Conn, chain *nftables.Chain) ([]*nftables.Rule, error) {
	rules, err := conn.GetRules(chain.Table, chain)
	if err != nil {
		return nil, fmt.Errorf("network: reading %s: %w", chain.Name, err)
	}
	return slices.DeleteFunc(rules, func(r *nftables.Rule) bool { return string(r.UserData) != string(f.mark()) }), nil
}
