package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/sandbox/check"
)

// ipcSysctls are those under kernel that belong to an IPC namespace.
var ipcSysctls = []string{"msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"}

// sysctls writes kernel parameters through the host's /proc, where a container
// cannot have put something else. Those without a namespace are the host's own
// and refused.
func (b *builder) sysctls(spec *specs.Spec) error {
	for _, name := range slices.Sorted(maps.Keys(spec.Linux.Sysctl)) {
		path := sysctlPath(name)
		if err := b.checkSysctl(spec, name, path); err != nil {
			return err
		}
		b.why = "sysctl " + name
		b.writeHost("/proc/sys/"+path, spec.Linux.Sysctl[name])
	}
	return nil
}

// sysctlPath translates dots to slashes; in the form with slashes dots stay,
// as in net/ipv4/conf/eth0.100/forwarding (sysctl.d(5)).
func sysctlPath(name string) string {
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '/' {
		return name
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}

func (b *builder) checkSysctl(spec *specs.Spec, name, path string) error {
	if slices.Contains(strings.Split(path, "/"), "..") {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: sysctl %q: not a name", name)
	}
	var needs specs.LinuxNamespaceType
	rest, kernel := strings.CutPrefix(path, "kernel/")
	switch {
	case strings.HasPrefix(path, "net/"):
		needs = specs.NetworkNamespace
	case kernel && slices.Contains(ipcSysctls, rest), strings.HasPrefix(path, "fs/mqueue/"):
		needs = specs.IPCNamespace
	case kernel && rest == "hostname":
		return errdefs.Errorf(errdefs.ErrDenied,
			"plan: sysctl %q: it is the container's host name, which is said as such and not a second time", name)
	case kernel && rest == "domainname":
		needs = specs.UTSNamespace
	default:
		return errdefs.Errorf(errdefs.ErrDenied,
			"plan: sysctl %q: the kernel keeps it for the whole host, not for a container", name)
	}
	if !check.Has(spec, needs) {
		return errdefs.Errorf(errdefs.ErrDenied, "plan: sysctl %q: the container shares the host's %s namespace", name,
			needs)
	}
	return nil
}
