package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/layers/mount"
	"cove/sandbox/host"
)

// loadBundle reads a bundle's config.json and says where its root is. The
// config comes back as it was read, too.
func loadBundle(bundle string) (spec *specs.Spec, data []byte, root mount.Mount, err error) {
	data, err = host.ReadFile(filepath.Join(bundle, "config.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, root, errdefs.Errorf(errdefs.ErrNotFound,
			"bundle %s: no config.json in it; give the bundle's directory with --bundle", bundle)
	}
	if err != nil {
		return nil, nil, root, fmt.Errorf("bundle %s: %w", bundle, err)
	}
	spec = &specs.Spec{}
	if err = leanjson.Unmarshal(data, spec); err != nil {
		return nil, nil, root, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json: %v", bundle, err)
	}
	_, understood := minor(spec.Version)
	switch {
	case !understood:
		return nil, nil, root, errdefs.Errorf(errdefs.ErrUnsupported,
			"bundle %s: runtime spec version %q; 1.0 to %s are understood", bundle, spec.Version, specVersion)
	case spec.Process == nil || len(spec.Process.Args) == 0:
		return nil, nil, root, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json names no process to run",
			bundle)
	case spec.Root == nil || spec.Root.Path == "":
		return nil, nil, root, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json names no root", bundle)
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	olderPids(spec.Version, spec.Linux.Resources)
	if err := relative(spec, bundle); err != nil {
		return nil, nil, root, err
	}
	if info, err := os.Stat(spec.Root.Path); err != nil || !info.IsDir() {
		return nil, nil, root, errdefs.Errorf(errdefs.ErrNotFound, "bundle %s: its root %s is no directory", bundle,
			spec.Root.Path)
	}
	return spec, data, mount.Mount{Type: "bind", Source: spec.Root.Path}, nil
}

// minor is the second number of a version 1.MINOR.PATCH, with or without more
// after it; others are not understood.
func minor(version string) (n uint64, understood bool) {
	rest, one := strings.CutPrefix(version, "1.")
	second, patch, both := strings.Cut(rest, ".")
	if i := strings.IndexAny(patch, "-+"); i >= 0 {
		patch = patch[:i]
	}
	n, err := strconv.ParseUint(second, 10, 16)
	_, perr := strconv.ParseUint(patch, 10, 16)
	return n, one && both && err == nil && perr == nil
}

// olderPids drops a limit of 0 processes, which is a limit since version 1.3 and
// was none before.
func olderPids(version string, r *specs.LinuxResources) {
	n, _ := minor(version)
	if n < 3 && r != nil && r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit == 0 {
		r.Pids = nil
	}
}

// relative makes the root and the sources of binds absolute: the spec has them
// below the bundle.
func relative(spec *specs.Spec, bundle string) error {
	if !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(bundle, spec.Root.Path)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Type == "bind" || contains(m.Options, "bind") || contains(m.Options, "rbind") {
			if !filepath.IsAbs(m.Source) {
				m.Source = filepath.Join(bundle, m.Source)
			}
		}
	}
	if p := spec.Linux.CgroupsPath; strings.Count(p, ":") == 2 && !strings.Contains(p, "/") {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"cgroupsPath %q is systemd's form; configure the engine for cgroupfs", p)
	}
	return nil
}

func contains(all []string, s string) bool {
	for _, have := range all {
		if have == s {
			return true
		}
	}
	return false
}
