package check

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// fine is a spec that nothing is wrong with.
func fine() *specs.Spec {
	return &specs.Spec{
		Root:     &specs.Root{Path: "rootfs"},
		Process:  &specs.Process{Args: []string{"true"}, Cwd: "/"},
		Hostname: "box",
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}, {Type: specs.NetworkNamespace, Path: "/proc/1/ns/net"},
		}},
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	if err := Spec(fine()); err != nil {
		t.Fatal(err)
	}
	for says, tt := range map[string]struct {
		kind   error
		change func(*specs.Spec)
	}{
		"no root":          {errdefs.ErrInvalid, func(s *specs.Spec) { s.Root = nil }},
		"no linux section": {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux = nil }},
		"no process":       {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process = nil }},
		"no command":       {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process.Args = nil }},
		"empty command":    {errdefs.ErrNotFound, func(s *specs.Spec) { s.Process.Args = []string{""} }},
		"process.cwd":      {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process.Cwd = "x" }},
		"root.path":        {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] }},
		"hostname":         {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:1] }},
		"linux.intelRdt":   {errdefs.ErrUnsupported, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} }},
		"id-mapped mount needs": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/m", Options: []string{"ridmap"}}}
		}},
		"no bind": {errdefs.ErrUnsupported, func(s *specs.Spec) {
			all := []specs.LinuxIDMapping{{Size: 1}}
			s.Mounts = []specs.Mount{{Destination: "/m", Type: "tmpfs", UIDMappings: all, GIDMappings: all}}
		}},
		"hooks.poststop[0].path": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "x"}}}
		}},
		"gidMappings": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
		}},
	} {
		s := fine()
		tt.change(s)
		if err := Spec(s); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestHasAndMakes(t *testing.T) {
	t.Parallel()
	s := fine()
	for typ, want := range map[specs.LinuxNamespaceType][2]bool{
		specs.MountNamespace: {true, true}, specs.NetworkNamespace: {true, false}, specs.PIDNamespace: {false, false},
	} {
		if got := [2]bool{Has(s, typ), Makes(s, typ)}; got != want {
			t.Errorf("%s: %v, want %v", typ, got, want)
		}
	}
}
