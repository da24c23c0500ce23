package runspec

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

// shm is where shared memory of POSIX is: it goes with the IPC namespace.
const shm = "/dev/shm"

// ttyGroup has terminals, where there is such a group.
const ttyGroup = 5

// base are docker's mounts, with the size of /dev/shm as asked for and, for a
// privileged container that is not read-only, a writable /sys.
func base(o Options, f Facts) []specs.Mount {
	all := defaults.Mounts()
	if o.Shared.IPC == record.NoShm {
		all = slices.DeleteFunc(all, func(m specs.Mount) bool { return m.Destination == shm })
	}
	for i := range all {
		m := &all[i]
		if m.Destination == shm && o.Shared.IPC == record.Host {
			*m = specs.Mount{Destination: shm, Type: "bind", Source: shm, Options: []string{"rbind", "rprivate"}}
		}
		if m.Destination == shm && o.Resources.ShmSize > 0 {
			m.Options = replace(m.Options, "size=", "size="+strconv.FormatInt(o.Resources.ShmSize, 10))
		}
		if m.Type == "devpts" && f.Groups > 0 && f.Groups <= ttyGroup {
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "gid=") })
		}
		if o.Security.Privileged && !o.ReadOnly && strings.HasPrefix(m.Destination, "/sys") ||
			o.Security.WritableCgroups && m.Type == "cgroup" {
			m.Options = replace(m.Options, "ro", "rw")
		}
	}
	return all
}

// replace puts with in the place of the options that begin with prefix.
func replace(options []string, prefix, with string) []string {
	for i, o := range options {
		if strings.HasPrefix(o, prefix) {
			options[i] = with
		}
	}
	return options
}

// mounts puts what the user asked for over the defaults. A later mount on the
// same destination replaces an earlier one; parents come before children.
func mounts(o Options, f Facts) ([]specs.Mount, error) {
	all := base(o, f)
	put := func(m specs.Mount) {
		all = slices.DeleteFunc(all, func(old specs.Mount) bool { return old.Destination == m.Destination })
		all = append(all, m)
	}
	for _, t := range o.Tmpfs {
		dst, err := Target("tmpfs", t.Target)
		if err != nil {
			return nil, err
		}
		put(specs.Mount{
			Destination: dst, Type: "tmpfs", Source: "tmpfs",
			Options: append([]string{"nosuid", "nodev", "noexec"}, t.Options...),
		})
	}
	for _, b := range f.Binds {
		dst, err := Target("volume", b.Target)
		if err != nil {
			return nil, err
		}
		opts := []string{"rbind", cmp.Or(b.Propagation, "rprivate")}
		if b.NonRecursive {
			opts[0] = "bind"
		}
		if b.MapOwners && !f.IDMap.IsZero() {
			opts = append(opts, "idmap")
		}
		if b.ReadOnly && b.WritableBelow {
			opts = append(opts, "ro")
		} else if b.ReadOnly {
			opts = append(opts, defaults.ReadOnly)
		}
		m := specs.Mount{Destination: dst, Type: "bind", Source: b.Source, Options: opts}
		if !b.Owners.IsZero() {
			m.Options = append(m.Options, "idmap")
			m.UIDMappings, m.GIDMappings = mappings(b.Owners.UIDs), mappings(b.Owners.GIDs)
		}
		if b.Stack != nil {
			m = stacked(dst, b)
		}
		put(m)
	}
	slices.SortStableFunc(all, func(a, b specs.Mount) int {
		return cmp.Compare(depth(a.Destination),
			depth(b.Destination))
	})
	return all, nil
}

// rootPropagation is that of a container's root. What a container mounts below a bind that is
// shared comes to the host if the root is shared, too: so runtimes read the specification.
func rootPropagation(binds []Bind) string {
	if slices.ContainsFunc(binds, func(b Bind) bool { return strings.TrimPrefix(b.Propagation, "r") == "shared" }) {
		return "shared"
	}
	return ""
}

// stacked is a mount of several directories, in the words of overlay(5), which any
// runtime can mount.
func stacked(dst string, b Bind) specs.Mount {
	escape := strings.NewReplacer("\\", "\\\\", ":", "\\:", ",", "\\,")
	var lower []string
	for _, dir := range b.Stack.Lower {
		lower = append(lower, escape.Replace(dir))
	}
	m := specs.Mount{Destination: dst, Type: "overlay", Source: "overlay"}
	m.Options = append(m.Options, "lowerdir="+strings.Join(lower, ":"))
	if b.Stack.Upper != "" {
		m.Options = append(m.Options,
			"upperdir="+escape.Replace(b.Stack.Upper), "workdir="+escape.Replace(b.Stack.Work))
	}
	if b.ReadOnly {
		m.Options = append(m.Options, "ro")
	}
	return m
}

func depth(p string) int { return strings.Count(path.Clean(p), "/") }

// Target is a destination of a mount, cleaned; what names it in an error.
func Target(what, p string) (string, error) {
	if !path.IsAbs(p) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "%s: invalid mount path: %q: mount path must be absolute",
			what, p)
	}
	clean := path.Clean(p)
	if clean == "/" {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "%s: invalid specification: destination can't be '/'", what)
	}
	return clean, nil
}
