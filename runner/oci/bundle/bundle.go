// Package bundle reads OCI bundles: a directory with a config.json, the runtime spec
// of one container, and mostly its root.
package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/accounts"
	"cove/internal/leanjson"
	"cove/layers/mount"
	"cove/sandbox/check"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// SpecVersion is the newest runtime spec that is understood.
const SpecVersion = "1.3.0"

// ErrNoConfig is of errdefs.ErrNotFound: the directory is no bundle.
var ErrNoConfig = errdefs.Errorf(errdefs.ErrNotFound, "no config.json in it")

// Bundle is what was read of one.
type Bundle struct {
	Spec *specs.Spec
	// Config is config.json as it was read.
	Config []byte
	Root   mount.Mount
}

// Load reads a bundle's config.json. One that is not there is errdefs.ErrNotFound,
// one that cannot be run errdefs.ErrInvalid or ErrUnsupported.
func Load(dir string) (*Bundle, error) {
	data, err := host.ReadFile(filepath.Join(dir, "config.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("bundle %s: %w", dir, ErrNoConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	spec := &specs.Spec{}
	if err := leanjson.Unmarshal(data, spec); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json: %v", dir, err)
	}
	_, understood := minor(spec.Version)
	switch {
	case !understood:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"bundle %s: runtime spec version %q; 1.0 to %s are understood", dir, spec.Version, SpecVersion)
	case spec.Process == nil || len(spec.Process.Args) == 0:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json names no process to run", dir)
	case spec.Root == nil || spec.Root.Path == "":
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "bundle %s: config.json names no root", dir)
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	OlderPids(spec.Version, spec.Linux.Resources)
	asked := slices.Clone(spec.Mounts)
	if err := Relative(spec, dir); err != nil {
		return nil, err
	}
	for i, m := range asked {
		m.Source = spec.Mounts[i].Source
		if err := keepsLocked(spec, m); err != nil {
			return nil, err
		}
	}
	if info, err := os.Lstat(spec.Root.Path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"bundle %s: invalid rootfs: %s is a symbolic link; name the directory that it leads to", dir, spec.Root.Path)
	}
	if info, err := os.Stat(spec.Root.Path); err != nil || !info.IsDir() {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "bundle %s: its root %s is no directory", dir, spec.Root.Path)
	}
	return &Bundle{Spec: spec, Config: data, Root: mount.Mount{Type: "bind", Source: spec.Root.Path}}, nil
}

// Environ is a process's environment with its HOME, which the accounts of root have. As runc
// does, it refuses what is no variable.
func Environ(env []string, root string, uid uint32) ([]string, error) {
	for _, v := range env {
		if strings.IndexByte(v, '=') <= 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "process.env %q: want NAME=VALUE", v)
		}
	}
	return accounts.WithHome(env, root, uid)
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

// OlderPids drops a limit of 0 processes, which is a limit since version 1.3 and
// was none before.
func OlderPids(version string, r *specs.LinuxResources) {
	n, _ := minor(version)
	if n < 3 && r != nil && r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit == 0 {
		r.Pids = nil
	}
}

// replacing are the options of a bind in which those that are attributes stand for all: what
// they do not name, the source's mount need not pass on. That is runc's reading of mount(8).
// In a user namespace all but nosymfollow stays, which the kernel would let nobody in it change.
func replacing(spec *specs.Spec, options []string) []string {
	if !slices.ContainsFunc(options, plan.IsAttribute) {
		return options
	}
	cleared := []string{"symfollow"}
	if !check.Has(spec, specs.UserNamespace) {
		cleared = append(cleared, "rw", "suid", "dev", "exec")
	}
	return append(cleared, options...) // later ones win
}

// below is a destination in the root, which some callers name as the host sees it.
func below(root, destination string) string {
	if rest, ok := strings.CutPrefix(filepath.Clean(destination), filepath.Clean(root)+"/"); ok && root != "/" {
		return "/" + rest
	}
	return destination
}

// Relative makes the root and the sources of binds absolute: the spec has them
// below the bundle.
func Relative(spec *specs.Spec, dir string) error {
	if !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(dir, spec.Root.Path)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
			if !filepath.IsAbs(m.Source) {
				m.Source = filepath.Join(dir, m.Source)
			}
			m.Options = accessTimes(replacing(spec, m.Options))
		}
		m.Destination = below(spec.Root.Path, m.Destination)
	}
	return nil
}
