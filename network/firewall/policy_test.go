package firewall

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
)

// rulesOf counts the rules of each chain of a table.
func rulesOf(t *testing.T, conn *nftables.Conn, table string) map[string]int {
	t.Helper()
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		t.Error(err)
	}
	counts := map[string]int{}
	for _, c := range chains {
		if c.Table.Name != table {
			continue
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			t.Error(err)
		}
		counts[c.Name] = len(rules)
	}
	return counts
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(conn *nftables.Conn) {
		tests := []struct {
			name                 string
			policy               Policy
			forward, postrouting int
		}{
			{"usual", Policy{}, 4, 3},
			{"internal", Policy{Internal: true}, 5, 2},
			{"own addresses", Policy{NoMasquerade: true}, 4, 2},
		}
		for _, tt := range tests {
			table := New("t", "br0", subnet).With(tt.policy)
			if err := table.Ensure(); err != nil {
				t.Error(err)
			}
			got := rulesOf(t, conn, "t")
			if got["forward"] != tt.forward || got["postrouting"] != tt.postrouting {
				t.Errorf("%s: %v", tt.name, got)
			}
			if err := table.Drop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRedirectNames(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(conn *nftables.Conn) {
		// Descriptor 0 asks for the namespace of the calling thread.
		if err := RedirectNames(0, netip.MustParseAddr("127.0.0.11"), 5353, 5354); err != nil {
			t.Error(err)
		}
		if got := rulesOf(t, conn, "cove-names"); got["output"] != 2 {
			t.Errorf("rules are %v", got)
		}
	})
}

// TestMend tells what others took away, and makes it again.
func TestMend(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(conn *nftables.Conn) {
		if err := foreign(conn, nftables.ChainPolicyDrop, "FORWARD"); err != nil {
			t.Error(err)
			return
		}
		f := New("cove-test", "br-test", subnet)
		if whole, err := f.Whole(); whole || err != nil {
			t.Errorf("before: %v, %v", whole, err)
		}
		if err := f.Ensure(); err != nil {
			t.Error(err)
		}
		filter := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}
		for name, lose := range map[string]func(){
			"all":        conn.FlushRuleset,
			"the table":  func() { conn.DelTable(f.table) },
			"its rules":  func() { conn.FlushTable(f.table) },
			"one chain":  func() { conn.FlushChain(&nftables.Chain{Name: "forward", Table: f.table}) },
			"the others": func() { conn.FlushChain(&nftables.Chain{Name: "FORWARD", Table: filter}) },
		} {
			if whole, err := f.Whole(); !whole || err != nil {
				t.Errorf("before %s is lost: %v, %v", name, whole, err)
			}
			lost := make(chan struct{}, 9)
			w, err := NewWatch([]string{"cove-test"}, func() { lost <- struct{}{} })
			if err != nil {
				t.Error(err)
				return
			}
			lose()
			if err := conn.Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-lost:
			case <-time.After(5 * time.Second):
				t.Errorf("%s is lost, and nobody is told", name)
			}
			w.Close()
			if whole, err := f.Whole(); whole || err != nil {
				t.Errorf("%s is lost: %v, %v", name, whole, err)
			}
			if name == "all" {
				if err := foreign(conn, nftables.ChainPolicyDrop, "FORWARD"); err != nil {
					t.Error(err)
				}
			}
			if err := f.Rebuild(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
