package runspec

import (
	"errors"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/layers/mount"
)

// TestUserNamespace: the spec of a container with ids of its own, beside that of
// one without.
func TestUserNamespace(t *testing.T) {
	t.Parallel()
	ids := []mount.IDRange{{Outside: 100_000, Size: 65_536}}
	for _, owners := range []mount.IDMap{{}, {UIDs: ids, GIDs: ids}} {
		own := !owners.IsZero()
		facts := Facts{ID: "c", IDMap: owners, Binds: []Bind{
			{Source: "/v", Target: "/volume", MapOwners: true}, {Source: "/h", Target: "/host"},
		}}
		spec, err := Assemble(ocispec.ImageConfig{Cmd: []string{"true"}}, Options{}, facts, "host")
		if err != nil {
			t.Fatal(err)
		}
		has := slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
		if has != own || (len(spec.Linux.UIDMappings) == 1) != own || (len(spec.Linux.GIDMappings) == 1) != own {
			t.Errorf("own %v: namespace %v, maps %v %v", own, has, spec.Linux.UIDMappings, spec.Linux.GIDMappings)
		}
		// The kernel takes no group that the namespace has not (EINVAL).
		want := map[bool]string{false: "0 2147483647", true: "0 65535"}[own]
		if got := spec.Linux.Sysctl["net.ipv4.ping_group_range"]; got != want {
			t.Errorf("own %v: groups that may ping are %q", own, got)
		}
		for _, m := range spec.Mounts {
			mapped := slices.Contains(m.Options, "idmap")
			if mapped != (own && m.Destination == "/volume") {
				t.Errorf("own %v: %s is mapped: %v", own, m.Destination, mapped)
			}
		}
	}
}

// An engine that has few ids itself gives no others: not to terminals, nor to ping,
// nor to the container's user.
func TestFewIDs(t *testing.T) {
	t.Parallel()
	cmd := ocispec.ImageConfig{Cmd: []string{"true"}}
	for groups, want := range map[uint32]struct {
		ping string
		tty  bool
	}{0: {"0 2147483647", true}, 1: {"0 0", false}, 65_537: {"0 65536", true}} {
		spec, err := Assemble(cmd, Options{}, Facts{ID: "c", Groups: groups}, "host")
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Linux.Sysctl["net.ipv4.ping_group_range"]; got != want.ping {
			t.Errorf("of %d: groups that may ping are %q, want %q", groups, got, want.ping)
		}
		for _, m := range spec.Mounts {
			if m.Type == "devpts" && slices.Contains(m.Options, "gid=5") != want.tty {
				t.Errorf("of %d: terminals have options %v", groups, m.Options)
			}
		}
	}
	facts := Facts{ID: "c", Groups: 1, User: User{UID: 1000}}
	if _, err := Assemble(cmd, Options{}, facts, "host"); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a user that is not there: %v", err)
	}
}
