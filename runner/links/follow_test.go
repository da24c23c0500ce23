package links

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cove/network"
	"cove/runner/record"
)

// TestFollow has a linked container live again with another address.
func TestFollow(t *testing.T) {
	t.Parallel()
	root, id := recorded(t, record.Running)
	all, err := Find(root, network.Config{Links: []network.Link{{ID: id, Alias: "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	const before = "127.0.0.1\tlocalhost\n10.1.2.3\tother\n10.1.2.3\t0123456789ab\n10.1.2.3\tbase\n10.1.2.3\tmine\n"
	if err := os.WriteFile(hosts, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	Follow(t.Context(), root, hosts, all)
	var st record.State
	for _, life := range []struct {
		status record.Status
		ip     string
		want   string
	}{
		{record.Exited, "10.1.2.9/16", before}, // who does not run has no address
		{
			record.Running, "10.1.2.4/16",
			"127.0.0.1\tlocalhost\n10.1.2.4\tother\n10.1.2.4\t0123456789ab\n10.1.2.4\tbase\n10.1.2.3\tmine\n",
		},
		{
			record.Running, "10.1.2.5/16",
			"127.0.0.1\tlocalhost\n10.1.2.5\tother\n10.1.2.5\t0123456789ab\n10.1.2.5\tbase\n10.1.2.3\tmine\n",
		},
	} {
		st.Status, st.Network.IP = life.status, netip.MustParsePrefix(life.ip)
		if err := record.Of(root, id).SetState(st, false); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if got, err = os.ReadFile(hosts); err != nil || string(got) == life.want {
				break
			}
		}
		if err != nil || string(got) != life.want {
			t.Errorf("%+v: %s, %v", life, got, err)
		}
	}
}
