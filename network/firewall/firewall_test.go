package firewall

import (
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"cove/network/publish"
)

// inNamespace runs fn in an empty network namespace, where no rule touches the host.
func inNamespace(t *testing.T, fn func(*nftables.Conn)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		var conn *nftables.Conn
		if err == nil {
			conn, err = nftables.New()
		}
		if err == nil {
			fn(conn)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

var (
	subnet = netip.MustParsePrefix("172.30.5.7/16")
	first  = netip.MustParseAddr("172.30.0.2")
	second = netip.MustParseAddr("172.30.0.3")
)

// published are the elements of a map, by key.
func published(t *testing.T, conn *nftables.Conn, set *nftables.Set) map[string]string {
	t.Helper()
	elems, err := conn.GetSetElements(set)
	if err != nil {
		t.Error(err)
	}
	all := map[string]string{}
	for _, e := range elems {
		all[string(e.Key)] = string(e.Val)
	}
	return all
}

// checkPublished compares the tables' elements with ports and where they lead.
func checkPublished(t *testing.T, conn *nftables.Conn, f *Table, want map[netip.Addr][]publish.Port) {
	t.Helper()
	n := 0
	there := map[string]map[string]string{}
	for _, set := range []*nftables.Set{f.ports(), f.anyPorts()} {
		there[set.Name] = published(t, conn, set)
	}
	for ip, ports := range want {
		for _, p := range ports {
			set, elem := f.element(p, ip)
			if got := there[set.Name][string(elem.Key)]; got != string(elem.Val) {
				t.Errorf("%s to %s: %x, want %x", p, ip, got, elem.Val)
			}
			n++
		}
	}
	if got := len(there[f.ports().Name]) + len(there[f.anyPorts().Name]); got != n {
		t.Errorf("%d ports are published, want %d", got, n)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	web := publish.Port{HostPort: 8080, ContainerPort: 80}
	dns := publish.Port{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 5353, Proto: "udp"}
	dnsTCP := dns
	dnsTCP.Proto = "tcp"
	inNamespace(t, func(conn *nftables.Conn) {
		f := New("cove-test", "br-test", subnet)
		for range 2 { // the second finds it
			if err := f.Ensure(); err != nil {
				t.Error(err)
				return
			}
		}
		if err := f.Publish([]publish.Port{web, dns}, first); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, f, map[netip.Addr][]publish.Port{first: {web, dns}})
		// A killed process has left one of them; the one beside it is new.
		if err := f.Publish([]publish.Port{dns, dnsTCP}, second); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, f, map[netip.Addr][]publish.Port{first: {web}, second: {dns, dnsTCP}})
		if err := f.Unpublish([]publish.Port{web}, first); err != nil {
			t.Error(err)
		}
		// One is gone already, which keeps the others from nothing.
		if err := f.Unpublish([]publish.Port{web, dns}, second); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, f, map[netip.Addr][]publish.Port{second: {dnsTCP}})
		if err := f.Publish(nil, first); err != nil {
			t.Error(err)
		}
		// As many as there are, which no one message and no one batch takes.
		var every []publish.Port
		for p := 10_000; p < 13_000; p++ {
			every = append(every, publish.Port{HostPort: uint16(p), ContainerPort: uint16(p)})
		}
		if err := f.Publish(every[100:101], second); err != nil {
			t.Error(err)
		}
		if err := f.Publish(every, first); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, f, map[netip.Addr][]publish.Port{first: every, second: {dnsTCP}})
		if err := f.Unpublish(every[7:8], first); err != nil {
			t.Error(err)
		}
		if err := f.Unpublish(every, first); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, f, map[netip.Addr][]publish.Port{second: {dnsTCP}})
		for range 2 { // the second finds nothing
			if err := f.Drop(); err != nil {
				t.Error(err)
			}
		}
		if tables, err := conn.ListTables(); err != nil || len(tables) != 0 {
			t.Errorf("left: %v, %v", tables, err)
		}
	})
}

// TestIPv6 has a table of family ip6 beside that of ip, which shares nothing with it.
func TestIPv6(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(conn *nftables.Conn) {
		four := New("cove-test", "br-test", subnet)
		six := New("cove-test", "br-test", netip.MustParsePrefix("fd00:5::/64"))
		target := netip.MustParseAddr("fd00:5::2")
		ports := []publish.Port{
			{HostIP: netip.IPv6Unspecified(), HostPort: 8080, ContainerPort: 80},
			{HostIP: netip.MustParseAddr("fd00:1::1"), HostPort: 53, ContainerPort: 53, Proto: "udp"},
			{HostIP: netip.IPv6Unspecified(), HostPort: 36412, ContainerPort: 36412, Proto: "sctp"},
		}
		for _, f := range []*Table{four, six} {
			if err := f.Ensure(); err != nil || f.IPv6() != (f == six) {
				t.Error(f.IPv6(), err)
				return
			}
		}
		if err := six.Publish(ports, target); err != nil {
			t.Error(err)
		}
		checkPublished(t, conn, six, map[netip.Addr][]publish.Port{target: ports})
		targets, there, err := six.Targets()
		if err != nil || !there || len(targets) != 3 || targets[0].Addr() != target {
			t.Errorf("targets %v, %v, %v", targets, there, err)
		}
		if targets, there, err := four.Targets(); err != nil || !there || len(targets) != 0 {
			t.Errorf("of IPv4: %v, %v, %v", targets, there, err)
		}
		if err := six.Unpublish(ports, target); err != nil {
			t.Error(err)
		}
		if err := six.Drop(); err != nil {
			t.Error(err)
		}
		if _, there, err := four.Targets(); err != nil || !there {
			t.Errorf("IPv4's table went along: %v, %v", there, err)
		}
	})
}

// TestChains looks for the hooks that the table's comment lists.
func TestChains(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(conn *nftables.Conn) {
		f := New("cove-test", "br-test", subnet)
		if err := f.Ensure(); err != nil {
			t.Error(err)
			return
		}
		chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
		if err != nil {
			t.Error(err)
		}
		rules := map[string]int{}
		for _, c := range chains {
			all, err := conn.GetRules(c.Table, c)
			if err != nil {
				t.Error(err)
			}
			rules[c.Name] = len(all)
		}
		for name, want := range map[string]int{"localnet": 1, "prerouting": 2, "output": 2, "postrouting": 3, "forward": 4} {
			if rules[name] != want {
				t.Errorf("%s has %d rules, want %d", name, rules[name], want)
			}
		}
	})
}

// foreign makes the table of an administrator's firewall, with a rule in each chain.
func foreign(conn *nftables.Conn, policy nftables.ChainPolicy, chains ...string) error {
	table := conn.AddTable(&nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4})
	for _, name := range chains {
		c := &nftables.Chain{Name: name, Table: table}
		if name == "FORWARD" {
			c.Type, c.Hooknum, c.Priority = nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter
			c.Policy = &policy
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: conn.AddChain(c), Exprs: []expr.Any{&expr.Counter{}}})
	}
	return conn.Flush()
}

// TestForeignFirewall makes containers pass a firewall that drops what it does not
// know, and leaves that as it was in the end.
func TestForeignFirewall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		policy nftables.ChainPolicy
		chains []string
		want   map[string]int // rules, with the administrator's own
	}{
		"drops": {nftables.ChainPolicyDrop, []string{"FORWARD"}, map[string]int{"FORWARD": 4, "COVE-USER": 0}},
		"drops, and docker is there": {
			nftables.ChainPolicyDrop, []string{"FORWARD", "DOCKER-USER"}, map[string]int{"FORWARD": 1, "DOCKER-USER": 4, "COVE-USER": 0},
		},
		"accepts":      {nftables.ChainPolicyAccept, []string{"FORWARD"}, map[string]int{"FORWARD": 1}},
		"other chains": {nftables.ChainPolicyDrop, []string{"INPUT"}, map[string]int{"INPUT": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inNamespace(t, func(conn *nftables.Conn) {
				if err := foreign(conn, tt.policy, tt.chains...); err != nil {
					t.Error(err)
					return
				}
				f := New("cove-test", "br-test", subnet)
				if err := f.Ensure(); err != nil {
					t.Error(err)
				}
				table := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}
				for chain, want := range tt.want {
					rules, err := conn.GetRules(table, &nftables.Chain{Name: chain, Table: table})
					if err != nil || len(rules) != want {
						t.Errorf("%s: %d rules, want %d, %v", chain, len(rules), want, err)
					}
					mine := slices.IndexFunc(rules, func(r *nftables.Rule) bool { return len(r.UserData) > 0 })
					if want > 1 && mine != 0 {
						t.Errorf("%s: ours come after the administrator's", chain)
					}
				}
				if err := f.Drop(); err != nil {
					t.Error(err)
				}
				for _, chain := range tt.chains {
					if rules, err := conn.GetRules(table, &nftables.Chain{Name: chain, Table: table}); err != nil || len(rules) != 1 {
						t.Errorf("%s: %d rules are left, %v", chain, len(rules), err)
					}
				}
			})
		})
	}
}

// TestTargets reads back what is published, and tells a table that is not there.
func TestTargets(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(*nftables.Conn) {
		f := New("cove-targets", "br0", subnet)
		if targets, there, err := f.Targets(); err != nil || there || len(targets) != 0 {
			t.Errorf("before: %v, %v, %v", targets, there, err)
		}
		if err := f.Ensure(); err != nil {
			t.Error(err)
			return
		}
		ports := []publish.Port{
			{HostPort: 8080, ContainerPort: 80},
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 1053, Proto: "udp"},
		}
		if err := f.Publish(ports, first); err != nil {
			t.Error(err)
		}
		targets, there, err := f.Targets()
		slices.SortFunc(targets, netip.AddrPort.Compare)
		want := []netip.AddrPort{netip.AddrPortFrom(first, 80), netip.AddrPortFrom(first, 1053)}
		if err != nil || !there || !slices.Equal(targets, want) {
			t.Errorf("got %v, %v, %v; want %v", targets, there, err, want)
		}
		if err := f.Drop(); err != nil {
			t.Error(err)
		}
		if _, there, err := f.Targets(); err != nil || there {
			t.Errorf("after: %v, %v", there, err)
		}
	})
}
