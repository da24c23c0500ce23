package definition

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"cove/errdefs"
)

func complete(n *Network, _ []Network) error { return n.Complete() }

func kept(Network) error { return nil }

func TestStore(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if all, err := s.All(); err != nil || len(all) != 0 {
		t.Errorf("All of an empty root is %v, %v", all, err)
	}
	web := Network{Name: "web", Subnet: netip.MustParsePrefix("10.1.0.0/16"), Options: map[string]string{OptionMTU: "1400"}}
	made, err := s.Add(t.Context(), web, complete, kept)
	if err != nil {
		t.Fatal(err)
	}
	if made.Gateway != netip.MustParseAddr("10.1.0.1") || made.Bridge() != "br-"+made.ID[:12] {
		t.Errorf("made %+v", made)
	}
	if _, err := s.Add(t.Context(), web, complete, kept); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a second web: %v", err)
	}
	for _, name := range []string{"", "-", "../web", "-web"} {
		if _, err := s.Add(t.Context(), Network{Name: name}, complete, kept); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, ref := range []string{"web", made.ID, made.ID[:12], made.ID[:4]} {
		if found, err := s.Find(ref); err != nil || found.ID != made.ID || found.Options[OptionMTU] != "1400" {
			t.Errorf("Find(%s) is %+v, %v", ref, found, err)
		}
	}
	for _, ref := range []string{"", "nope", "we"} {
		if _, err := s.Find(ref); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("Find(%q): %v", ref, err)
		}
	}
	harmed := filepath.Join(s.Dir(made.ID), FileName)
	whole, err := os.ReadFile(harmed)
	if err := errors.Join(err, os.WriteFile(harmed, whole[:9], 0o600)); err != nil {
		t.Fatal(err)
	}
	if all, err := s.All(); err != nil || len(all) != 0 {
		t.Errorf("All with one that cannot be read: %v, %v", all, err)
	}
	if _, err := s.Find(made.ID[:12]); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("Find of one that cannot be read: %v", err)
	}
	if every, err := s.Every(); err != nil || len(every) != 1 || every[0].ID != made.ID || every[0].Broken == nil {
		t.Errorf("Every: %+v, %v", every, err)
	}
	if err := os.WriteFile(harmed, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("its bridge cannot be raised")
	other := Network{Name: "other", Subnet: netip.MustParsePrefix("10.2.0.0/16")}
	if _, err := s.Add(t.Context(), other, complete, func(Network) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("one that cannot be made: %v", err)
	}
	if all, err := s.All(); err != nil || len(all) != 1 {
		t.Errorf("it is kept: %v, %v", all, err)
	}
	busy := errors.New("busy")
	if err := s.Remove(t.Context(), made.ID, func(Network, func() error) error { return busy }); !errors.Is(err, busy) {
		t.Errorf("Remove of a busy one: %v", err)
	}
	idle := func(_ Network, forget func() error) error { return forget() }
	if err := s.Remove(t.Context(), made.ID, idle); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(made.ID); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("Get of a removed one: %v", err)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	sub := netip.MustParsePrefix("10.1.2.0/24")
	addr := netip.MustParseAddr
	tests := []struct {
		name string
		n    Network
		kind error
	}{
		{"all that can be", Network{
			Subnet: sub, Gateway: addr("10.1.2.9"), Range: netip.MustParsePrefix("10.1.2.128/25"),
			Reserved: map[string]netip.Addr{"printer": addr("10.1.2.7")},
			Options: map[string]string{
				OptionBridge: "br0", OptionICC: "false", OptionMasquerade: "true", OptionHostIP: "127.0.0.1", OptionMTU: "1400",
				OptionSource: "10.1.2.3", OptionSource6: "fd00::1", OptionPrefix: "lan", OptionGateway: "nat", OptionGateway6: "nat",
			},
		}, nil},
		{"no subnet", Network{}, errdefs.ErrUnsupported},
		{"IPv6", Network{Subnet: netip.MustParsePrefix("fd00::/64")}, errdefs.ErrUnsupported},
		{"bits of a host", Network{Subnet: netip.MustParsePrefix("10.1.2.3/24")}, errdefs.ErrInvalid},
		{"too small", Network{Subnet: netip.MustParsePrefix("10.1.2.0/31")}, errdefs.ErrInvalid},
		{"gateway elsewhere", Network{Subnet: sub, Gateway: addr("10.1.3.1")}, errdefs.ErrInvalid},
		{"range elsewhere", Network{Subnet: sub, Range: netip.MustParsePrefix("10.1.3.0/25")}, errdefs.ErrInvalid},
		{"wider range", Network{Subnet: sub, Range: netip.MustParsePrefix("10.1.0.0/16")}, errdefs.ErrInvalid},
		{"reserved elsewhere", Network{Subnet: sub, Reserved: map[string]netip.Addr{"x": addr("1.2.3.4")}}, errdefs.ErrInvalid},
	}
	for key, value := range map[string]string{
		OptionBridge: "a/b", OptionICC: "maybe", OptionMTU: "12", OptionHostIP: "::1", "com.example": "1",
		OptionMasquerade: "", OptionSource: "::1", OptionSource6: "1.2.3.4", OptionPrefix: "lo", OptionGateway: "maybe",
	} {
		n := Network{Subnet: sub, Options: map[string]string{key: value}}
		tests = append(tests, struct {
			name string
			n    Network
			kind error
		}{key, n, errdefs.ErrInvalid})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.n.Complete(); !errors.Is(err, tt.kind) {
				t.Errorf("got %v, want %v", err, tt.kind)
			}
		})
	}
	if tests[0].n.Bridge() != "br0" {
		t.Errorf("the bridge is %s", tests[0].n.Bridge())
	}
}
