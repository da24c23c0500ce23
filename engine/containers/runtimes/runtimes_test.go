package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/config"
	"cove/errdefs"
	"cove/runner/record"
)

// TestFind finds runtimes by configuration, those that are known by $PATH, and refuses
// all else by name.
func TestFind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: without, there is cove's own runtime alone")
	}
	bin := t.TempDir()
	for _, name := range []string{"runc", "nvidia", "sh"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	known := config.Registries{Runtimes: map[string]config.Runtime{
		"nvidia": {Path: "nvidia", Args: []string{"--debug"}}, "shim": {}, "gone": {Path: "/no/such"},
	}}
	read := func() (config.Registries, error) { return known, nil }
	if got := Names(known); !slices.Equal(got, []string{Own, "gone", "nvidia", "shim", "runc"}) {
		t.Errorf("there are %q", got)
	}
	for name, want := range map[string]*record.Runtime{
		"": nil, Own: nil,
		"runc":                  {Name: "runc", Path: filepath.Join(bin, "runc")},
		"io.containerd.runc.v2": {Name: "io.containerd.runc.v2", Path: filepath.Join(bin, "runc")},
		"nvidia":                {Name: "nvidia", Path: filepath.Join(bin, "nvidia"), Args: []string{"--debug"}},
	} {
		got, err := Find(name, read, "")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for _, tc := range []struct {
		name string
		user record.Sharing
		kind error
		says string
	}{
		{"sh", "", errdefs.ErrInvalid, "unknown or invalid runtime name: sh; there are cove-runtime, gone, nvidia, shim, runc"},
		{filepath.Join(bin, "runc"), "", errdefs.ErrInvalid, "unknown or invalid runtime name"},
		{"crun", "", errdefs.ErrNotFound, "install it, or use cove-runtime"},
		{"gone", "", errdefs.ErrNotFound, "/no/such"},
		{"shim", "", errdefs.ErrUnsupported, "no path"},
		{"runc", "auto", errdefs.ErrUnsupported, "user namespace"},
	} {
		if _, err := Find(tc.name, read, tc.user); !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
