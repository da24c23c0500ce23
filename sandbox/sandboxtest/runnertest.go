// Package sandboxtest is what the runner's tests start containers from.
package sandboxtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/defaults"
)

// Spec returns a fresh runtime spec with docker's defaults, to which a command
// is to be added. It has no seccomp profile.
func Spec() *specs.Spec {
	return &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Cwd: "/",
			Capabilities: &specs.LinuxCapabilities{
				Bounding: defaults.Capabilities(), Effective: defaults.Capabilities(),
				Permitted: defaults.Capabilities(),
			},
		},
		Root:   &specs.Root{Path: "rootfs"},
		Mounts: defaults.Mounts(),
		Linux: &specs.Linux{
			MaskedPaths:   defaults.MaskedPaths(),
			ReadonlyPaths: defaults.ReadonlyPaths(),
			Namespaces:    defaults.Namespaces(),
			Resources:     &specs.LinuxResources{Devices: defaults.DeviceRules()},
		},
	}
}

const busybox = "/bin/busybox"

// Root makes the root filesystem of a container in dir: busybox under the names
// of the given programs. Who cannot run one skips the test.
func Root(t testing.TB, dir string, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces, control groups and mounts")
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Skip("needs busybox-static (Debian) as the root filesystem's only program")
	}
	for _, name := range []string{"bin", "etc", "tmp", "proc", "sys", "dev", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A fork meanwhile would keep the file open for writing, and execve fail.
	syscall.ForkLock.RLock()
	err = os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
}
