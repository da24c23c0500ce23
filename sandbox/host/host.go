// Package host tells which features this kernel and this process have.
//
// [Detect] is asked once per command and must stay far below a millisecond:
// it reads a handful of files in /proc and compares version numbers. What can
// only be learnt by trying (a call forbidden by an outer seccomp filter) is
// left to the caller of that call and its named fallback.
package host

import (
	"golang.org/x/sys/unix"
)

// Features is what plan.Compile needs to know about the machine. It is plain
// data, so that a plan for any kernel can be compiled (and tested) on any
// other.
type Features struct {
	// Kernel is the version of the running kernel.
	Kernel Version
	// Cgroup describes the mounted control groups.
	Cgroup Cgroup
	// Capabilities is the effective set of the caller, one bit per capability.
	Capabilities uint64
	// LastCapability is the highest number that the kernel knows.
	LastCapability int
	// Rlimits are the caller's own limits, by RLIMIT_ number.
	Rlimits [16]unix.Rlimit
	// UserNS reports that the caller is in a user namespace beside the first one, where
	// not all that a capability stands for is allowed.
	UserNS bool
	// MountNamespaces reports that the file of a mount namespace is mounted somewhere,
	// as snapd does below /run/snapd/ns.
	MountNamespaces bool
	// AppArmor reports that the AppArmor module is enabled.
	AppArmor bool
	// Landlock is the version of Landlock's interface (landlock(7)), zero without it.
	Landlock int

	// The rest is no fact of the machine, but how somebody says that it is to be used.

	// NoPivot covers the host's root instead of leaving it, which nobody can where it is
	// an initramfs. Bare are the mounts of proc and sysfs that are taken away there: one
	// that shows all, even covered, lets whoever makes a namespace of users mount another.
	NoPivot bool
	Bare    []string
	// KeepKeyring leaves a container the session keyring of who starts it.
	KeepKeyring bool
}

// Version is a kernel's version.
type Version struct{ Major, Minor int }

// AtLeast reports whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// ProcPIDNS reports that proc can be mounted for a pid namespace by its
// descriptor.
func (f Features) ProcPIDNS() bool { return f.Kernel.AtLeast(6, 17) }

// ClonesDetached reports that a mount which is attached nowhere can be copied.
func (f Features) ClonesDetached() bool { return f.Kernel.AtLeast(6, 15) }

// MakesDevices reports whether the caller may make device nodes.
func (f Features) MakesDevices() bool { return f.Has(unix.CAP_MKNOD) && !f.UserNS }

// Has reports whether the caller has capability c in its effective set.
func (f Features) Has(c int) bool { return f.Capabilities&(1<<uint(c)) != 0 }

// CgroupMode is how the control groups are mounted.
type CgroupMode int

// The modes. Hybrid is v1 controllers beside a v2 hierarchy that holds none.
const (
	CgroupNone CgroupMode = iota
	CgroupV1
	CgroupHybrid
	CgroupV2
)

// String returns "none", "v1", "hybrid" or "v2".
func (m CgroupMode) String() string {
	return [...]string{"none", "v1", "hybrid", "v2"}[m]
}

// Cgroup describes the mounted hierarchies.
type Cgroup struct {
	Mode CgroupMode
	// Hierarchies are the mounted ones, v2 (if any) last.
	Hierarchies []Hierarchy
	// Delegated says that these are what somebody without rights over the host's was
	// handed: Mount is then the group that was. None leaves Mode CgroupNone.
	Delegated bool
}

// mine reports whether this process may make groups at the top.
func (c Cgroup) mine() bool {
	return len(c.Hierarchies) > 0 && mayMakeGroups(c.Hierarchies[0].Mount)
}

// Hierarchy is one mounted tree of control groups.
type Hierarchy struct {
	// Name is how /sys/fs/cgroup shows it to a container: "cpu,cpuacct",
	// "systemd"; "" for v2 alone, "unified" for v2 in hybrid mode.
	Name string
	// Controllers are those attached to it; for a named v1 hierarchy none.
	Controllers []string
	// Mount is where the hierarchy is mounted.
	Mount string
	// V2 marks the unified hierarchy.
	V2 bool
}

// Detect looks at the running kernel and the calling process.
func Detect() (Features, error) {
	return detect()
}
