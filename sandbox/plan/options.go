package plan

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// options are the parsed options of one mount.
type options struct {
	attr      MountAttr
	bind      bool
	recursive bool
	remount   bool
	copyUp    bool     // fill a tmpfs with what it hides of the image
	srcLink   bool     // what a link at the source is, not where it leads
	destLink  bool     // mount over a link at the destination, not where it leads
	data      []string // the filesystem's own
	// mode is what a tmpfs without an option for it has, nil for its own default.
	mode *hiddenMode
}

// attributes are the options that are attributes of a mount; each has a
// recursive form with an r before it (OCI runtime spec, "Linux mount options").
// Later options win over earlier ones.
var attributes = map[string]struct{ set, clear uint64 }{
	"ro":            {unix.MOUNT_ATTR_RDONLY, 0},
	"rw":            {0, unix.MOUNT_ATTR_RDONLY},
	"nosuid":        {unix.MOUNT_ATTR_NOSUID, 0},
	"suid":          {0, unix.MOUNT_ATTR_NOSUID},
	"nodev":         {unix.MOUNT_ATTR_NODEV, 0},
	"dev":           {0, unix.MOUNT_ATTR_NODEV},
	"noexec":        {unix.MOUNT_ATTR_NOEXEC, 0},
	"exec":          {0, unix.MOUNT_ATTR_NOEXEC},
	"nodiratime":    {unix.MOUNT_ATTR_NODIRATIME, 0},
	"diratime":      {0, unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow":   {unix.MOUNT_ATTR_NOSYMFOLLOW, 0},
	"symfollow":     {0, unix.MOUNT_ATTR_NOSYMFOLLOW},
	"noatime":       {unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME},
	"strictatime":   {unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	"relatime":      {0, unix.MOUNT_ATTR__ATIME},
	"atime":         {0, unix.MOUNT_ATTR__ATIME},
	"nostrictatime": {0, unix.MOUNT_ATTR__ATIME},
	"norelatime":    {0, 0},
}

var propagations = map[string]uint64{
	"private":     unix.MS_PRIVATE,
	"slave":       unix.MS_SLAVE,
	"shared":      unix.MS_SHARED,
	"unbindable":  unix.MS_UNBINDABLE,
	"rprivate":    unix.MS_PRIVATE | unix.MS_REC,
	"rslave":      unix.MS_SLAVE | unix.MS_REC,
	"rshared":     unix.MS_SHARED | unix.MS_REC,
	"runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

func parseOptions(m specs.Mount) options {
	var o options
	for _, name := range m.Options {
		switch name {
		case "bind":
			o.bind = true
		case "rbind":
			o.bind, o.recursive = true, true
		case "remount":
			o.remount = true
		case "idmap", "ridmap":
			// see check.IDMap
		case "defaults", "async", "mand", "nomand", "iversion", "noiversion", "loud", "silent", "acl", "noacl", "":
			// the kernel's defaults, or words without effect on a mount
		case "src-nofollow":
			o.srcLink = true
		case "dest-nofollow":
			o.destLink = true
		case "tmpcopyup":
			o.copyUp = true
		default:
			if p, ok := propagations[name]; ok {
				o.attr.Propagation, o.attr.PropagateAll = p&^unix.MS_REC, p&unix.MS_REC != 0
			} else if !o.attribute(name) {
				o.data = append(o.data, name)
			}
		}
	}
	// mount(8)'s helpers write comments and hints that no filesystem knows.
	o.data = slices.DeleteFunc(o.data, func(s string) bool { return strings.HasPrefix(s, "x-") })
	return o
}

// attribute applies an option that is an attribute.
func (o *options) attribute(name string) bool {
	if a, ok := attributes[name]; ok {
		o.attr.Set = o.attr.Set&^a.clear | a.set
		o.attr.Clear = o.attr.Clear&^a.set | a.clear
		return true
	}
	short, ok := strings.CutPrefix(name, "r")
	a, known := attributes[short]
	if !ok || !known {
		return false
	}
	o.attr.SetAll = o.attr.SetAll&^a.clear | a.set
	o.attr.ClearAll = o.attr.ClearAll&^a.set | a.clear
	return true
}

// IsAttribute reports whether an option is an attribute of one mount alone, set or cleared.
func IsAttribute(option string) bool {
	_, ok := attributes[option]
	return ok
}

// MountOptions are the options of mounts that are not handed to a filesystem,
// for what a runtime says of itself (features.md, "mountOptions").
func MountOptions() []string {
	all := []string{
		"acl", "async", "bind", "defaults", "dest-nofollow", "dirsync", "idmap", "iversion", "lazytime", "loud", "mand",
		"noacl", "noiversion", "nolazytime", "nomand", "rbind", "remount", "ridmap", "silent",
		"src-nofollow", "sync", "tmpcopyup",
	}
	for name := range attributes {
		all = append(all, name, "r"+name)
	}
	for name := range propagations {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
