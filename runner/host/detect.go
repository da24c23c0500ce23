package host

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func detect(proc string) (Features, error) {
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
	f.LastCapability = 40
	if b, err := os.ReadFile(proc + "/sys/kernel/cap_last_cap"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n < 64 {
			f.LastCapability = n
		}
	}
	for i := range f.Rlimits {
		// PRLIMIT(2) of the own process cannot fail for a known resource.
		_ = unix.Prlimit(0, i, nil, &f.Rlimits[i])
	}
	if b, err := os.ReadFile(proc + "/self/uid_map"); err == nil {
		f.SelfUserNS = !bytes.Equal(bytes.Join(bytes.Fields(b), []byte(" ")), []byte("0 0 4294967295"))
	}
	if b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil {
		f.AppArmor = bytes.HasPrefix(b, []byte("Y"))
	}
	if b, err := os.ReadFile(proc + "/sys/kernel/seccomp/actions_avail"); err == nil {
		f.Seccomp = strings.Fields(string(b))
	}
	mounts, err := os.ReadFile(proc + "/self/mountinfo")
	if err != nil {
		return f, fmt.Errorf("host: reading mounts: %w", err)
	}
	own, err := os.ReadFile(proc + "/self/cgroup")
	if err != nil && !os.IsNotExist(err) {
		return f, fmt.Errorf("host: reading own control groups: %w", err)
	}
	f.Cgroup = parseCgroup(mounts, own)
	return f, nil
}

func (f *Features) readCapabilities() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("host: reading own capabilities: %w", err)
	}
	f.Capabilities = uint64(data[0].Effective) | uint64(data[1].Effective)<<32
	return nil
}

// ParseVersion reads the release of uname, as "6.1.0-30-amd64".
func ParseVersion(release string) (Version, error) {
	var v Version
	if n, _ := fmt.Sscanf(release, "%d.%d", &v.Major, &v.Minor); n != 2 {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "host: kernel release %q: want MAJOR.MINOR…", release)
	}
	return v, nil
}

// parseCgroup reads the contents of /proc/self/mountinfo and /proc/self/cgroup.
func parseCgroup(mounts, own []byte) Cgroup {
	self := parseOwnGroups(own)
	var cg Cgroup
	var unified []Hierarchy
	for line := range bytes.Lines(mounts) {
		h, root, ok := parseCgroupMount(string(line))
		if !ok || slices.ContainsFunc(cg.Hierarchies, func(o Hierarchy) bool { return o.Name == h.Name }) {
			continue
		}
		h.Self = relativeTo(root, self[h.key()])
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

func readControllers(dir string) []string {
	b, err := os.ReadFile(dir + "/cgroup.controllers")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// key is how /proc/self/cgroup names the hierarchy.
func (h Hierarchy) key() string {
	if h.V2 {
		return ""
	}
	if len(h.Controllers) == 0 {
		return "name=" + h.Name
	}
	return strings.Join(h.Controllers, ",")
}

// parseCgroupMount reads one line of mountinfo (proc_pid_mountinfo(5)). The
// root is the part of the hierarchy that is mounted.
func parseCgroupMount(line string) (h Hierarchy, root string, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 3 {
		return h, "", false
	}
	h.Mount, root = left[4], left[3]
	switch right[0] {
	case "cgroup2":
		h.V2 = true
		return h, root, true
	case "cgroup":
	default:
		return h, "", false
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
	return h, root, h.Name != ""
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

// parseOwnGroups reads /proc/self/cgroup: hierarchy-ID:controller-list:path.
func parseOwnGroups(own []byte) map[string]string {
	self := map[string]string{}
	sc := bufio.NewScanner(bytes.NewReader(own))
	for sc.Scan() {
		parts := strings.SplitN(sc.Text(), ":", 3)
		if len(parts) == 3 {
			self[parts[1]] = parts[2]
		}
	}
	return self
}

// relativeTo makes the caller's group relative to the part of the hierarchy
// that is mounted; a group outside of that part counts as its top.
func relativeTo(root, self string) string {
	if root == "/" || self == "" {
		return self
	}
	if rest, ok := strings.CutPrefix(self, root); ok {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return "/"
}
