package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/defaults"
	"cove/sandbox/host"
)

// ordinary is what somebody finds who is root in a user namespace alone.
func ordinary() host.Features {
	return host.Features{
		Kernel: host.Version{Major: 6, Minor: 12}, Capabilities: 1<<41 - 1, LastCapability: 40, UserNS: true,
		Cgroup: host.Cgroup{Delegated: true},
	}
}

func specWithout(shared ...specs.LinuxNamespaceType) *specs.Spec {
	return &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: "rootfs"}, Mounts: defaults.Mounts(),
		Process: &specs.Process{Args: []string{"true"}, Cwd: "/", User: specs.User{AdditionalGids: []uint32{0}}},
		Linux: &specs.Linux{Namespaces: slices.DeleteFunc(defaults.Namespaces(), func(ns specs.LinuxNamespace) bool {
			return slices.Contains(shared, ns.Type)
		})},
	}
}

// In a user namespace no device is made, groups may be denied, and what shows a
// namespace of the host is the host's mount.
func TestInUserNamespace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shared []specs.LinuxNamespaceType
		binds  []string
	}{
		"all of its own":     {nil, nil},
		"the host's network": {[]specs.LinuxNamespaceType{specs.NetworkNamespace}, []string{"/sys"}},
		"the host's processes": {
			[]specs.LinuxNamespaceType{specs.PIDNamespace}, []string{"/proc"},
		},
	} {
		p, err := Compile(specWithout(tt.shared...), ordinary())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var binds []string
		for _, f := range p.Files {
			if f.Kind == Bind && !strings.HasPrefix(f.Name, "/dev/") {
				binds = append(binds, f.Name)
			}
			if f.Kind == CgroupDir || f.Kind == CgroupTasks {
				t.Errorf("%s: a control group is asked for: %s", name, f)
			}
		}
		if !slices.Equal(binds, tt.binds) {
			t.Errorf("%s: binds %v, want %v", name, binds, tt.binds)
		}
		for _, s := range p.Steps {
			if s.Call == "mknodat" {
				t.Errorf("%s: a device is made: %s", name, s.Why)
			}
			if s.Call == "setgroups" && !slices.Contains(s.Accept, unix.EPERM) {
				t.Errorf("%s: groups that are denied end it", name)
			}
		}
	}
	with := specWithout()
	with.Process.User.AdditionalGids = []uint32{33}
	p, err := Compile(with, ordinary())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Call == "setgroups" && len(s.Accept) > 0 {
			t.Error("a group is left out in silence")
		}
	}
}

// A node that is bound keeps the owner that the host gives it.
func TestBoundDevicesKeepTheirOwner(t *testing.T) {
	t.Parallel()
	spec, uid := specWithout(), uint32(0)
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, UID: &uid, GID: &uid}}
	for _, inside := range []bool{false, true} {
		features := ordinary()
		features.UserNS = inside
		p, err := Compile(spec, features)
		if err != nil {
			t.Fatal(err)
		}
		owned := slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Call == "fchownat" && strings.Contains(s.Why, "/dev/fuse") })
		if owned == inside {
			t.Errorf("in a user namespace %v, owner set %v", inside, owned)
		}
	}
}
