package containercmd

import (
	"net/netip"
	"strings"
	"testing"

	"cove/network"
	"cove/network/firewall"
	"cove/network/publish"
)

// TestFaultsOf says of a port that is in order nothing, and else what is wrong.
func TestFaultsOf(t *testing.T) {
	t.Parallel()
	fine := network.Explained{
		Port: publish.Port{HostPort: 8080, ContainerPort: 80}, Bridge: "cove0",
		To: netip.MustParseAddrPort("172.30.0.2:80"), Rule: &firewall.Led{Table: "ip cove", Map: "anyports"},
		Holder: "cove-runtime (pid 7)", Listening: []netip.Addr{netip.IPv6Unspecified()},
		Others: []firewall.Asked{{Table: "ip filter", Chain: "FORWARD", Drops: true, Passes: true}},
	}
	for name, tt := range map[string]struct {
		change func(*network.Explained)
		want   string
	}{
		"fine":     {func(*network.Explained) {}, ""},
		"no rule":  {func(e *network.Explained) { e.Missing, e.Rule = true, nil }, "the rule is gone"},
		"no owner": {func(e *network.Explained) { e.Holder = "" }, "nobody holds the port"},
		"firewall": {func(e *network.Explained) { e.Others[0].Passes = false }, "FORWARD drops by default"},
		"nobody":   {func(e *network.Explained) { e.Listening = nil }, "nothing listens on port 80/tcp"},
		"loopback": {func(e *network.Explained) {
			e.Listening = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}, "listened on elsewhere than on 172.30.0.2"},
	} {
		e := fine
		e.Others = append([]firewall.Asked(nil), fine.Others...)
		tt.change(&e)
		got := strings.Join(faultsOf(e), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		var b strings.Builder
		writeExplained(&b, e)
		if !strings.HasPrefix(b.String(), "0.0.0.0:8080/tcp -> 172.30.0.2:80\n") || !strings.Contains(b.String(), "COVE-USER") != (name == "firewall") {
			t.Errorf("%s: it says %q", name, b.String())
		}
	}
}
