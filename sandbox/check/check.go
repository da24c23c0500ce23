// Package check tells what a runtime spec asks for that cannot be right, or that
// cove does not do: it is refused by name, and never left out silently.
package check

import (
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// Spec checks a container's whole config.json. An error is ErrInvalid for what
// is wrong anywhere, and ErrUnsupported for what cove lacks.
func Spec(s *specs.Spec) error {
	switch {
	case s.Root == nil:
		return invalid("no root")
	case s.Linux == nil:
		return invalid("no linux section")
	}
	for _, check := range []func(*specs.Spec) error{namespaces, names, mounts, linux, filter, hooks} {
		if err := check(s); err != nil {
			return err
		}
	}
	return Process(s.Process)
}

// ErrNoProgram is a command whose first word is empty; docker finds no program then.
var ErrNoProgram = errdefs.Errorf(errdefs.ErrNotFound, "exec \"\": an empty command names no program")

// Process checks one process, of a container or of an exec.
func Process(p *specs.Process) error {
	switch {
	case p == nil:
		return invalid("no process")
	case len(p.Args) == 0:
		return invalid("process.args: no command")
	case p.Args[0] == "":
		return ErrNoProgram
	case !path.IsAbs(p.Cwd):
		return invalid("process.cwd %q: want an absolute path", p.Cwd)
	case p.SelinuxLabel != "":
		return unsupported("process.selinuxLabel")
	}
	if err := user(p.User); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, r := range p.Rlimits {
		if seen[r.Type] {
			return invalid("process.rlimits: %s is there twice", r.Type)
		}
		seen[r.Type] = true
	}
	return nil
}

// user refuses the id that setresuid(2) reads as "leave it as it is": whoever asked for
// it would be root.
func user(u specs.User) error {
	const unchanged = 1<<32 - 1
	switch {
	case u.UID == unchanged:
		return invalid("process.user.uid %d: the greatest is %d", u.UID, uint32(unchanged-1))
	case u.GID == unchanged:
		return invalid("process.user.gid %d: the greatest is %d", u.GID, uint32(unchanged-1))
	case slices.Contains(u.AdditionalGids, unchanged):
		return invalid("process.user.additionalGids %d: the greatest is %d", uint32(unchanged), uint32(unchanged-1))
	}
	return nil
}

// Has reports whether the container has a namespace of a type other than the
// runtime's: one of its own, or one that it joins.
func Has(s *specs.Spec, t specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
}

// Makes reports whether the container makes a namespace of a type.
func Makes(s *specs.Spec, t specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == t && n.Path == ""
	})
}

func namespaces(s *specs.Spec) error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, n := range s.Linux.Namespaces {
		switch n.Type {
		case specs.MountNamespace, specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace,
			specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace:
		default:
			return invalid("linux.namespaces: unknown namespace %q", n.Type)
		}
		if seen[n.Type] {
			return invalid("linux.namespaces: %s is there twice", n.Type)
		}
		if n.Path != "" && !path.IsAbs(n.Path) {
			return invalid("linux.namespaces: %s: path %q: want an absolute path", n.Type, n.Path)
		}
		seen[n.Type] = true
	}
	if !Makes(s, specs.MountNamespace) && !path.IsAbs(s.Root.Path) {
		return invalid("without a mount namespace of its own a container needs root.path to be an absolute path")
	}
	return nil
}

// names are what would be the host's without a namespace.
func names(s *specs.Spec) error {
	for _, f := range []struct {
		field string
		used  bool
		needs specs.LinuxNamespaceType
	}{
		{"hostname", s.Hostname != "", specs.UTSNamespace},
		{"domainname", s.Domainname != "", specs.UTSNamespace},
		{"linux.netDevices", len(s.Linux.NetDevices) > 0, specs.NetworkNamespace},
		{"linux.timeOffsets", len(s.Linux.TimeOffsets) > 0, specs.TimeNamespace},
		{"linux.uidMappings", len(s.Linux.UIDMappings) > 0, specs.UserNamespace},
		{"linux.gidMappings", len(s.Linux.GIDMappings) > 0, specs.UserNamespace},
	} {
		if f.used && !Has(s, f.needs) {
			return invalid("%s: the container shares the host's %s namespace", f.field, f.needs)
		}
	}
	return nil
}

// mounts are where they go and what maps they have, beside those of a new user namespace.
func mounts(s *specs.Spec) error {
	if Makes(s, specs.UserNamespace) && (len(s.Linux.UIDMappings) == 0 || len(s.Linux.GIDMappings) == 0) {
		return invalid("a user namespace needs uidMappings and gidMappings")
	}
	for i, m := range s.Mounts {
		if m.Destination == "" {
			return invalid("mounts[%d].destination: want an absolute path", i)
		}
		if err := inProc(m); err != nil {
			return err
		}
		if err := idMapOf(s, m); err != nil {
			return err
		}
	}
	return nil
}

// emulated are the files of proc that something else may stand for: what lxcfs shows of a
// container's own limits, and what checkpoints and certified cryptography need (as in runc).
var emulated = []string{
	"cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "sys/crypto/fips_enabled",
	"sys/kernel/ns_last_pid", "uptime",
}

// inProc refuses mounts in the place of proc, and inside it: programs that believe what it
// says, and what is hidden in it, must not be led astray by a volume (CVE-2019-16884). The
// plan refuses those that a link leads there.
func inProc(m specs.Mount) error {
	dest := path.Clean("/" + m.Destination)
	switch {
	case StandsForProc(m):
		return nil
	case dest == "/proc":
		return invalid("mount %s: only a proc can be mounted there", m.Destination)
	case strings.HasPrefix(dest, "/proc/"):
		return invalid("mount %s: it is inside /proc, where nothing can be mounted", m.Destination)
	}
	return nil
}

// StandsForProc reports whether a mount is the container's proc, the host's in its place, or a
// file of it.
func StandsForProc(m specs.Mount) bool {
	dest := path.Clean("/" + m.Destination)
	inside, ok := strings.CutPrefix(dest, "/proc/")
	return ok && slices.Contains(emulated, inside) ||
		dest == "/proc" && (m.Type == "proc" || path.Clean(m.Source) == "/proc")
}

// idMapOf checks the maps of a mount (config.md, "POSIX-platform Mounts").
func idMapOf(s *specs.Spec, m specs.Mount) error {
	uids, gids := IDMap(s, m)
	switch asked := len(m.UIDMappings)+len(m.GIDMappings) > 0 || maps(m); {
	case !asked:
		return nil
	case UsersOf(s, m) != "":
	case len(uids) == 0 || len(gids) == 0:
		return invalid("mount %s: an id-mapped mount needs uidMappings and gidMappings, "+
			"or a user namespace of the container's own that has them", m.Destination)
	case m.Type != "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind"):
		return unsupported("mount %s: id maps of a mount that is no bind", m.Destination)
	}
	return nil
}

func maps(m specs.Mount) bool {
	return slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
}

// IDMap returns the maps of an id-mapped mount: its own, or those that the spec says of
// the container's user namespace, whether it makes or joins that. Others have none.
func IDMap(s *specs.Spec, m specs.Mount) (uids, gids []specs.LinuxIDMapping) {
	if maps(m) && len(m.UIDMappings)+len(m.GIDMappings) == 0 && Has(s, specs.UserNamespace) {
		return s.Linux.UIDMappings, s.Linux.GIDMappings
	}
	return m.UIDMappings, m.GIDMappings
}

// UsersOf is the user namespace that a container joins, by its file, if a mount is to be mapped
// as that is and nobody says how that is; empty otherwise.
func UsersOf(s *specs.Spec, m specs.Mount) string {
	uids, gids := IDMap(s, m)
	if !maps(m) || len(uids)+len(gids) > 0 || s.Linux == nil {
		return ""
	}
	for _, ns := range s.Linux.Namespaces {
		if ns.Type == specs.UserNamespace {
			return ns.Path
		}
	}
	return ""
}

func linux(s *specs.Spec) error {
	l := s.Linux
	switch {
	case l.IntelRdt != nil:
		return unsupported("linux.intelRdt")
	case l.MountLabel != "":
		return unsupported("linux.mountLabel (SELinux)")
	case l.Personality != nil && l.Personality.Domain != specs.PerLinux && l.Personality.Domain != specs.PerLinux32:
		return invalid("linux.personality.domain %q: want LINUX or LINUX32", l.Personality.Domain)
	case l.Personality != nil && len(l.Personality.Flags) > 0:
		return unsupported("linux.personality.flags")
	case len(l.TimeOffsets) > 0 && !Makes(s, specs.TimeNamespace):
		return invalid("linux.timeOffsets: a time namespace that is joined has its offsets")
	}
	for clock := range l.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return invalid("linux.timeOffsets: %q: want monotonic or boottime", clock)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "config.json: "+format, args...)
}

func unsupported(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "config.json: "+format+": not supported", args...)
}
