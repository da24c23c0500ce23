package plan

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// capSets are the process's capabilities.
type capSets struct {
	// early holds until the filter is loaded; final from then on.
	early, final capData
	ambient      uint64
}

// capData are the sets that capset takes.
type capData struct{ effective, permitted, inheritable uint64 }

// capabilities drops the bounding set and returns the others. What the caller
// does not hold itself it cannot give: such capabilities are left out. The
// loader of a filter keeps CAP_SYS_ADMIN until that is done.
func (b *builder) capabilities(c *specs.LinuxCapabilities, loader bool) capSets {
	if c == nil {
		c = &specs.LinuxCapabilities{}
	}
	held := b.host.Capabilities
	if b.userns {
		held = 1<<uint(b.host.LastCapability+1) - 1
	}
	var sets [5]uint64
	for i, names := range [][]string{c.Bounding, c.Effective, c.Permitted, c.Inheritable, c.Ambient} {
		sets[i] = b.parseCapabilities(names) & held
	}
	bounding, effective, permitted, inheritable, ambient := sets[0], sets[1], sets[2], sets[3], sets[4]
	b.why = "capability bounding set"
	for n := range b.host.LastCapability + 1 {
		if bounding&(1<<uint(n)) == 0 {
			b.call("prctl", flags(uint64(unix.PR_CAPBSET_DROP), prctlOptions), capArg(n), num(0), num(0), num(0))
		}
	}
	final := capData{effective: effective & permitted, permitted: permitted, inheritable: inheritable}
	early := final
	if loader && held&(1<<unix.CAP_SYS_ADMIN) != 0 {
		early.effective |= 1 << unix.CAP_SYS_ADMIN
		early.permitted |= 1 << unix.CAP_SYS_ADMIN
	}
	for n := range b.host.LastCapability + 1 {
		if ambient&^(permitted&inheritable)&(1<<uint(n)) != 0 {
			b.Warnings = append(b.Warnings, fmt.Sprintf(
				"can't raise ambient capability %s: it is not permitted and inheritable", capName(n)))
		}
	}
	return capSets{early: early, final: final, ambient: ambient & permitted & inheritable}
}

func (b *builder) capset(c capData) {
	hdr := binary.NativeEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	hdr = binary.NativeEndian.AppendUint32(hdr, 0)
	var data []byte
	for shift := 0; shift < 64; shift += 32 {
		for _, set := range []uint64{c.effective, c.permitted, c.inheritable} {
			data = binary.NativeEndian.AppendUint32(data, uint32(set>>shift))
		}
	}
	b.call("capset", raw(hdr, "{_LINUX_CAPABILITY_VERSION_3, 0}"),
		raw(data, fmt.Sprintf("{effective=%#x, permitted=%#x, inheritable=%#x}", c.effective, c.permitted,
			c.inheritable)))
}

// capabilityNames are in the order of their numbers (linux/capability.h).
var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// parseCapabilities reads names. One that nobody here knows may be a newer
// kernel's: it is left out, with a warning (config.md, "Linux Process").
func (b *builder) parseCapabilities(names []string) uint64 {
	var bits uint64
	for _, name := range names {
		n := slices.Index(capabilityNames, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
		if n >= 0 {
			bits |= 1 << uint(n)
			continue
		}
		if text := fmt.Sprintf("capability %q is unknown here and left out", name); !slices.Contains(b.Warnings, text) {
			b.Warnings = append(b.Warnings, text)
		}
	}
	return bits
}

func capArg(n int) Arg {
	return Arg{Num: uint64(n), flags: &flagSet{exact: []flagName{{uint64(n), capName(n)}}}}
}

func capName(n int) string {
	if n < len(capabilityNames) {
		return "CAP_" + capabilityNames[n]
	}
	return fmt.Sprintf("%d", n)
}

// rlimitNames are those of setrlimit(2), by number.
var rlimitNames = []string{
	"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
	"MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
}

func parseRlimit(r specs.POSIXRlimit) (int, error) {
	for n, name := range rlimitNames {
		if r.Type == "RLIMIT_"+name {
			if r.Soft > r.Hard {
				return 0, errdefs.Errorf(errdefs.ErrInvalid, "plan: %s: the soft limit %d is above the hard limit %d",
					r.Type, r.Soft, r.Hard)
			}
			return n, nil
		}
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "plan: rlimit %q: no such limit", r.Type)
}

// raiseRlimits sets hard limits above the caller's, while it may.
func (b *builder) raiseRlimits(limits []specs.POSIXRlimit) error {
	for _, r := range limits {
		n, err := parseRlimit(r)
		if err != nil {
			return err
		}
		if r.Hard <= b.host.Rlimits[n].Max {
			continue
		}
		if !b.host.Has(unix.CAP_SYS_RESOURCE) || b.userns {
			return errdefs.Errorf(errdefs.ErrDenied,
				"plan: %s: the hard limit %d is above the caller's own %d, and raising it needs CAP_SYS_RESOURCE",
				r.Type, r.Hard, b.host.Rlimits[n].Max)
		}
		b.rlimit(n, r)
	}
	return nil
}

// lowerRlimits sets the others, after the filter: a limit may be too tight to
// load it.
func (b *builder) lowerRlimits(limits []specs.POSIXRlimit) error {
	for _, r := range limits {
		n, err := parseRlimit(r)
		if err != nil {
			return err
		}
		if r.Hard <= b.host.Rlimits[n].Max {
			b.rlimit(n, r)
		}
	}
	return nil
}

func (b *builder) rlimit(n int, r specs.POSIXRlimit) {
	b.why = "limit " + r.Type
	limit := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, r.Soft), r.Hard)
	name := &flagSet{exact: []flagName{{uint64(n), r.Type}}, zero: r.Type}
	b.call("prlimit64", num(0), flags(uint64(n), name), raw(limit, fmt.Sprintf("{%d, %d}", r.Soft, r.Hard)), null())
}

func printIDs(ids []uint32) string { return strings.ReplaceAll(fmt.Sprint(ids), " ", ", ") }
