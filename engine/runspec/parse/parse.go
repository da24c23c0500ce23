// Package parse reads what is typed of a container on a command line: volumes,
// ports, devices, limits. The errors are errdefs.ErrInvalid and name the text.
package parse

import (
	"cmp"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/etc"
	"cove/network/publish"
	"cove/runner/record"
)

var propagations = []string{"private", "rprivate", "shared", "rshared", "slave", "rslave"}

// consistencies are docker's for machines whose files are not the container's kernel's.
var consistencies = []string{"consistent", "cached", "delegated", "default"}

// Volume reads [SOURCE:]TARGET[:OPTION[,OPTION…]] with docker's options
// ro, rw, z, Z (accepted: there is no SELinux label to set), nocopy, the propagations,
// and how late a change may be seen on the other side (accepted: it is seen at once).
func Volume(s string) (runspec.Volume, error) {
	parts := strings.Split(s, ":")
	var v runspec.Volume
	var options string
	switch len(parts) {
	case 1:
		v.Target = parts[0]
	case 2:
		v.Source, v.Target = parts[0], parts[1]
	case 3:
		v.Source, v.Target, options = parts[0], parts[1], parts[2]
	default:
		return v, errdefs.Errorf(errdefs.ErrInvalid, "volume %s: want [SOURCE:]TARGET[:OPTIONS]", s)
	}
	if len(parts) > 1 && v.Source == "" {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "volume %s: the part before the colon is empty", s)
	}
	if v.Named() && !ids.ValidName(v.Source) {
		return v, errdefs.Errorf(errdefs.ErrInvalid,
			"volume %s: %q is neither an absolute path nor a volume's name (two or more letters, digits, _ . -)", s, v.Source)
	}
	if _, err := runspec.Target("volume "+s, v.Target); err != nil {
		return v, err
	}
	if twice(options) {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "volume %s: invalid mode: %s: one of each kind", s, options)
	}
	v.Mode = options
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case option == "" || option == "rw" || option == "z" || option == "Z" || slices.Contains(consistencies, option):
		case option == "ro":
			v.ReadOnly = true
		case option == "nocopy":
			v.NoCopy = true
		case option == "idmap":
			v.MapOwners = true
		case option == "O":
			v.Overlay = true
		case strings.HasPrefix(option, "upperdir="):
			v.Upper = strings.TrimPrefix(option, "upperdir=")
		case strings.HasPrefix(option, "workdir="):
			v.Work = strings.TrimPrefix(option, "workdir=")
		case slices.Contains(propagations, option):
			v.Propagation = option
		default:
			return v, errdefs.Errorf(errdefs.ErrInvalid,
				"volume %s: option %q is not supported; there are ro, rw, z, Z, nocopy, idmap, O, upperdir=, workdir=, %s",
				s, option, strings.Join(propagations, ", "))
		}
	}
	if v.NoCopy && path.IsAbs(v.Source) {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "volume %s: nocopy is of volumes, and %s is a path", s, v.Source)
	}
	if v.Propagation != "" && v.Named() {
		return v, errdefs.Errorf(errdefs.ErrInvalid,
			"volume %s: invalid mount config for type \"volume\": %s is of paths of the host", s, v.Propagation)
	}
	return v, checkOverlay(s, v)
}

// twice reports options of which only one can be meant, as ro,rw.
func twice(options string) bool {
	kinds := [][]string{{"ro", "rw"}, {"z", "Z"}, {"nocopy"}, propagations, consistencies}
	seen := make([]int, len(kinds))
	for option := range strings.SplitSeq(options, ",") {
		for i, kind := range kinds {
			if slices.Contains(kind, option) {
				seen[i]++
			}
		}
	}
	return slices.Max(seen) > 1
}

// checkOverlay refuses what cannot be meant of a mount that is written to elsewhere.
func checkOverlay(s string, v runspec.Volume) error {
	switch {
	case !v.Overlay && v.Upper == "" && v.Work == "":
		return nil
	case !v.Overlay:
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: upperdir and workdir need the option O", s)
	case v.Source == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: option O: want a source to lie below", s)
	case v.ReadOnly:
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: options O and ro contradict each other", s)
	case v.Propagation != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: options O and %s contradict each other", s, v.Propagation)
	case (v.Upper == "") != (v.Work == ""):
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: upperdir and workdir belong together", s)
	case v.Upper != "" && (!path.IsAbs(v.Upper) || !path.IsAbs(v.Work)):
		return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: upperdir and workdir are absolute paths", s)
	}
	return nil
}

// Ports reads a -p: [[IP:]HOSTPORT:]PORT[/tcp|udp|sctp], where both ports may
// be ranges of one length, and an IPv6 address stands in brackets.
func Ports(s string) ([]publish.Port, error) {
	bad := func(why string) ([]publish.Port, error) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "port %s: %s; want [[IP:]HOSTPORT:]PORT[/PROTOCOL]", s, why)
	}
	rest, proto, _ := strings.Cut(s, "/")
	if !slices.Contains([]string{"", "tcp", "udp", "sctp"}, proto) {
		return bad("the protocol is tcp, udp or sctp")
	}
	var ip netip.Addr
	var host string
	ctr := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host, ctr = rest[:i], rest[i+1:]
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			addr, err := netip.ParseAddr(strings.Trim(host[:i], "[]"))
			if err != nil {
				return bad(strconv.Quote(host[:i]) + " is not an IP address")
			}
			ip, host = addr, host[i+1:]
		}
	}
	first, last, err := portRange(ctr)
	if err != nil {
		return bad(err.Error())
	}
	var hostFirst, hostLast uint16
	if host == "0" { // docker's word for any free port
		host = ""
	}
	if host != "" {
		if hostFirst, hostLast, err = portRange(host); err != nil {
			return bad(err.Error())
		}
		if hostLast-hostFirst != last-first && first != last {
			return bad("the two ranges differ in length")
		}
	}
	if hostLast > hostFirst && first == last {
		return []publish.Port{{
			HostIP: ip, HostPort: hostFirst, HostLast: hostLast, ContainerPort: first, Proto: proto,
		}}, nil
	}
	var ports []publish.Port
	for i := range int(last-first) + 1 {
		p := publish.Port{HostIP: ip, ContainerPort: first + uint16(i), Proto: proto}
		if host != "" {
			p.HostPort = hostFirst + uint16(i)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func portRange(s string) (first, last uint16, err error) {
	lo, hi, isRange := strings.Cut(s, "-")
	if first, err = port(lo); err != nil || !isRange {
		return first, first, err
	}
	if last, err = port(hi); err == nil && last < first {
		err = errdefs.Errorf(errdefs.ErrInvalid, "the range %s runs backwards", s)
	}
	return first, last, err
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "invalid port specification: %q: want 1 to 65535", s)
	}
	return uint16(n), nil
}

// Expose reads PORT[-PORT][/PROTOCOL], and returns each as 80/tcp.
func Expose(s string) ([]string, error) {
	if strings.Contains(s, ":") {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"exposed port %s: want PORT[-PORT][/PROTOCOL]; a port of the host is published", s)
	}
	ports, err := Ports(s)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range ports {
		out = append(out, strconv.Itoa(int(p.ContainerPort))+"/"+cmp.Or(p.Proto, "tcp"))
	}
	return out, nil
}

// Tmpfs reads a --tmpfs: TARGET[:OPTION,…].
func Tmpfs(s string) (record.Tmpfs, error) {
	dst, options, _ := strings.Cut(s, ":")
	t := record.Tmpfs{Target: dst}
	if options != "" {
		t.Options = strings.Split(options, ",")
	}
	_, err := runspec.Target("tmpfs "+s, dst)
	return t, err
}

// Host reads an --add-host: NAME:IP or NAME=IP.
func Host(s string) (runspec.Host, error) {
	i := strings.IndexAny(s, ":=")
	if i <= 0 || s[i+1:] == "" {
		return runspec.Host{}, errdefs.Errorf(errdefs.ErrInvalid, "extra host %s: want NAME:IP", s)
	}
	h := runspec.Host{Name: s[:i], IP: strings.Trim(s[i+1:], "[]")}
	if _, err := netip.ParseAddr(h.IP); err != nil && h.IP != etc.HostGateway {
		return runspec.Host{}, errdefs.Errorf(errdefs.ErrInvalid,
			"extra host %s: %q is neither an IP address nor host-gateway", s, h.IP)
	}
	return h, nil
}

// SecurityOpt reads one --security-opt into s. readFile gives the text of
// a seccomp profile.
func SecurityOpt(s *record.Security, opt string, readFile func(string) ([]byte, error)) error {
	key, value, ok := strings.Cut(opt, "=")
	if !ok {
		key, value, _ = strings.Cut(opt, ":")
	}
	switch key {
	case "no-new-privileges":
		switch value {
		case "", "true":
			s.NoNewPrivileges = true
		case "false":
			s.NoNewPrivileges = false
		default:
			return errdefs.Errorf(errdefs.ErrInvalid, "security option %s: want true or false", opt)
		}
		return nil
	case "writable-cgroups":
		if !slices.Contains([]string{"", "true", "false"}, value) {
			return errdefs.Errorf(errdefs.ErrInvalid, "security option %s: want true or false", opt)
		}
		s.WritableCgroups = value != "false"
		return nil
	case "apparmor":
		if value == "" || strings.ContainsAny(value, "\x00\n") {
			return errdefs.Errorf(errdefs.ErrInvalid, "security option %s: want the name of a profile, or unconfined", opt)
		}
		s.AppArmor = value
		return nil
	case "label":
		if value == "disable" { // no container gets a label here, so that this asks for what is
			return nil
		}
	case "seccomp":
		if value == "unconfined" || value == "" || value == "builtin" {
			s.Seccomp = strings.TrimPrefix(value, "builtin")
			return nil
		}
		profile, err := readFile(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "security option %s: reading the seccomp profile: %w", opt, err)
		}
		s.Seccomp = string(profile)
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported,
		"security option %s: not supported; there are seccomp=FILE|unconfined, "+
			"systempaths=unconfined, apparmor=PROFILE|unconfined, label=disable, no-new-privileges and writable-cgroups", opt)
}

// LastTmpfs leaves of several at one place the last one, as docker does.
func LastTmpfs(all []record.Tmpfs) []record.Tmpfs {
	last := map[string]int{}
	for i, t := range all {
		last[path.Clean(t.Target)] = i
	}
	var out []record.Tmpfs
	for i, t := range all {
		if last[path.Clean(t.Target)] == i {
			out = append(out, t)
		}
	}
	return out
}
