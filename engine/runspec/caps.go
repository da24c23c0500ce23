package runspec

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

// allCaps are all that Linux knows, by their numbers.
var allCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// capabilities gives the sets of the first process. The inheritable set stays
// empty (CVE-2022-24769); a user other than root has the bounding set alone,
// so that only set-uid programs can use it.
func capabilities(s record.Security, root bool, host []string) (*specs.LinuxCapabilities, error) {
	have, err := capSet(s)
	if err != nil {
		return nil, err
	}
	if host != nil {
		have = slices.DeleteFunc(have, func(c string) bool { return !slices.Contains(host, c) })
	}
	caps := &specs.LinuxCapabilities{Bounding: have}
	if root {
		caps.Effective, caps.Permitted = have, have
	}
	return caps, nil
}

// capSet applies adds and drops to docker's default: `--cap-drop ALL` starts
// from nothing, `--cap-add ALL` from everything.
func capSet(s record.Security) ([]string, error) {
	add, err := capNames("capability to add", s.CapAdd)
	if err != nil {
		return nil, err
	}
	drop, err := capNames("capability to drop", s.CapDrop)
	if err != nil {
		return nil, err
	}
	base := defaults.Capabilities()
	switch {
	case s.Privileged:
		return slices.Clone(allCaps), nil
	case slices.Contains(add, "ALL"):
		base = allCaps
	case slices.Contains(drop, "ALL"):
		base = nil
	}
	var have []string
	for _, c := range allCaps {
		in := slices.Contains(base, c) || slices.Contains(add, c)
		if slices.Contains(drop, c) && (slices.Contains(add, "ALL") || !slices.Contains(add, c)) {
			in = false
		}
		if in {
			have = append(have, c)
		}
	}
	return have, nil
}

func capNames(what string, names []string) ([]string, error) {
	var out []string
	for _, n := range names {
		c := strings.ToUpper(n)
		if c != "ALL" {
			c = "CAP_" + strings.TrimPrefix(c, "CAP_")
			if !slices.Contains(allCaps, c) {
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"%s %q: Linux has no capability of that name (see capabilities(7))", what, n)
			}
		}
		out = append(out, c)
	}
	return out, nil
}
