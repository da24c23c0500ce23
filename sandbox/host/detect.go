package host

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func detect() (Features, error) {
	var f Features
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return f, fmt.Errorf("host: uname: %w", err)
	}
	version, err := ParseVersion(unix.ByteSliceToString(uts.Release[:]))
	if err != nil {
		return f, err
	}
	f.Kernel = version
	if err := f.readCapabilities(); err != nil {
		return f, err
	}
	for i := range f.Rlimits {
		// The own limits of a known resource can always be read.
		_ = unix.Prlimit(0, i, nil, &f.Rlimits[i])
	}
	if b, err := ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil {
		f.AppArmor = bytes.HasPrefix(b, []byte("Y"))
	}
	f.Landlock = landlock()
	mounts, err := ReadFile("/proc/self/mountinfo")
	if err != nil {
		return f, fmt.Errorf("host: reading mounts: %w", err)
	}
	f.MountNamespaces = bytes.Contains(mounts, []byte(" mnt:["))
	f.Cgroup = parseCgroup(mounts)
	if f.UserNS = inUserNamespace(); f.UserNS && !f.Cgroup.mine() {
		own, err := ReadFile("/proc/self/cgroup")
		if err != nil {
			return f, fmt.Errorf("host: reading own control group: %w", err)
		}
		f.Cgroup = delegated(f.Cgroup, own, mayMakeGroups)
	}
	return f, nil
}

// ReadFile reads a small file, as the kernel's are, without what os.ReadFile
// does for those that may block: that starts the poller of the Go runtime, and
// a thread for it. Nor does it wait for the other end of what is a pipe.
func ReadFile(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 8192)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return b, &os.PathError{Op: "read", Path: name, Err: err}
		}
		if n == 0 {
			return b, nil
		}
		b = b[:len(b)+n]
	}
}

// landlock asks for the version alone. A filter around this process may forbid even that.
func landlock() int {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

func (f *Features) readCapabilities() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("host: reading own capabilities: %w", err)
	}
	f.Capabilities = uint64(data[0].Effective) | uint64(data[1].Effective)<<32
	// Linux 5.9 knows 40; the kernel says EINVAL to the first that it does not.
	f.LastCapability = unix.CAP_CHECKPOINT_RESTORE
	for f.LastCapability < 63 && knowsCapability(f.LastCapability+1) {
		f.LastCapability++
	}
	return nil
}

func knowsCapability(n int) bool {
	_, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
	return err == nil
}

// ParseVersion reads the release of uname, as "6.1.0-30-amd64".
func ParseVersion(release string) (Version, error) {
	var v Version
	if n, _ := fmt.Sscanf(release, "%d.%d", &v.Major, &v.Minor); n != 2 {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "host: kernel release %q: want MAJOR.MINOR…", release)
	}
	return v, nil
}

// unescape is of the names in mountinfo. It holds no state.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// parseCgroup reads the contents of /proc/self/mountinfo.
func parseCgroup(mounts []byte) Cgroup {
	var cg Cgroup
	var unified []Hierarchy
	for line := range bytes.Lines(mounts) {
		if !bytes.Contains(line, []byte(" - cgroup")) {
			continue
		}
		h, ok := parseCgroupMount(string(line))
		if !ok || slices.ContainsFunc(cg.Hierarchies, func(o Hierarchy) bool { return o.Name == h.Name }) {
			continue
		}
		if h.V2 {
			if len(unified) == 0 {
				unified = append(unified, h)
			}
			continue
		}
		cg.Hierarchies = append(cg.Hierarchies, h)
	}
	switch {
	case len(cg.Hierarchies) == 0 && len(unified) == 0:
		return cg
	case len(unified) == 0:
		cg.Mode = CgroupV1
	case len(cg.Hierarchies) == 0:
		cg.Mode = CgroupV2
		unified[0].Controllers = readControllers(unified[0].Mount)
	default:
		cg.Mode = CgroupHybrid
		unified[0].Name = "unified"
	}
	cg.Hierarchies = append(cg.Hierarchies, unified...)
	return cg
}

// MountPoints are where filesystems of the types are mounted, the uppermost first.
func MountPoints(types ...string) ([]string, error) {
	mounts, err := ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range bytes.Lines(mounts) {
		before, after, _ := strings.Cut(string(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) >= 6 && len(right) > 0 && slices.Contains(types, right[0]) {
			found = append(found, unescape.Replace(left[4]))
		}
	}
	slices.Reverse(found)
	return found, nil
}

func readControllers(dir string) []string {
	b, err := ReadFile(dir + "/cgroup.controllers")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// parseCgroupMount reads one line of mountinfo (proc_pid_mountinfo(5)).
func parseCgroupMount(line string) (h Hierarchy, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 3 {
		return h, false
	}
	h.Mount = left[4]
	switch right[0] {
	case "cgroup2":
		h.V2 = true
		return h, true
	case "cgroup":
	default:
		return h, false
	}
	for opt := range strings.SplitSeq(right[2], ",") {
		if name, named := strings.CutPrefix(opt, "name="); named {
			h.Name = name
		} else if isController(opt) {
			h.Controllers = append(h.Controllers, opt)
		}
	}
	if len(h.Controllers) > 0 {
		h.Name = strings.Join(h.Controllers, ",")
	}
	return h, h.Name != ""
}

// isController tells a controller among the super options of a v1 hierarchy.
func isController(opt string) bool {
	switch opt {
	case "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
		"net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc", "debug":
		return true
	}
	return false
}
