package plan

import (
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// device is what mknodat(2) makes: a node of a name, with its type and permissions.
type device struct {
	name         string
	mode         uint32
	major, minor uint32
}

const charDevice = unix.S_IFCHR | 0o666

// defaultDevices are the nodes that every container has (OCI runtime spec, "Default
// Devices"; console and ptmx are made from devpts).
var defaultDevices = []device{
	{"null", charDevice, 1, 3},
	{"zero", charDevice, 1, 5},
	{"full", charDevice, 1, 7},
	{"random", charDevice, 1, 8},
	{"urandom", charDevice, 1, 9},
	{"tty", charDevice, 5, 0},
}

// devLinks are the symbolic links in /dev; ptmx is the one of the container's
// own devpts.
var devLinks = [][2]string{
	{"/proc/self/fd", "fd"},
	{"/proc/self/fd/0", "stdin"},
	{"/proc/self/fd/1", "stdout"},
	{"/proc/self/fd/2", "stderr"},
	{"pts/ptmx", "ptmx"},
}

// devices fills /dev, if the spec mounts one: with a bind of the host's /dev
// there is nothing to add.
func (b *builder) devices(spec *specs.Spec) error {
	if fresh := needsDevices(spec); fresh {
		b.why = "default devices"
		dev, _ := b.lookup("dev", unix.O_DIRECTORY)
		for _, d := range defaultDevices {
			if !listed(spec, "dev/"+d.name) {
				b.node(dev, d, "/dev/"+d.name)
			}
		}
		b.why = "links in /dev"
		for _, l := range devLinks {
			b.call("symlinkat", str(l[0]), dev.arg(), str(l[1])).Accept = []unix.Errno{unix.EEXIST}
		}
		b.close(dev)
	}
	for _, d := range spec.Linux.Devices {
		if err := b.extraDevice(d); err != nil {
			return err
		}
	}
	if spec.Process.Terminal {
		b.console()
	}
	return nil
}

// listed reports whether the spec has a device of its own at a default one's place.
func listed(spec *specs.Spec, name string) bool {
	return slices.ContainsFunc(spec.Linux.Devices, func(d specs.LinuxDevice) bool { return clean(d.Path) == name })
}

func needsDevices(spec *specs.Spec) bool {
	fresh := true
	for _, m := range spec.Mounts {
		if clean(m.Destination) == "dev" {
			fresh = m.Type != "bind"
			for _, o := range m.Options {
				fresh = fresh && o != "bind" && o != "rbind"
			}
		}
	}
	return fresh
}

// node makes a device in dir, and reports that it did: a user namespace may make none but
// pipes, so there the one that the host has at a path is bound.
func (b *builder) node(dir descriptor, d device, host string) (made bool) {
	if d.mode&unix.S_IFMT == unix.S_IFIFO || !b.userns && b.host.MakesDevices() {
		b.call("mknodat", dir.arg(), str(d.name), octalArg(uint64(d.mode)), num(unix.Mkdev(d.major, d.minor))).
			Accept = []unix.Errno{unix.EEXIST}
		return true
	}
	b.create(dir, d.name)
	at, _ := b.get("openat", dir.arg(), str(d.name), flags(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, openFlags))
	node := b.hostNode(host)
	b.attach(node, at)
	b.close(node)
	b.close(at)
	return false
}

// hostNode is a detached copy of a device node of the host. It is read-only, which keeps
// nobody from writing to the device, but from changing the node: its mode, its owner and
// its times are the host's.
func (b *builder) hostNode(name string) Value {
	v, _ := b.get("open_tree", cwdFD(), str(name), flags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC, treeFlags))
	b.call("mount_setattr", v.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
		mountAttr(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, 0, 0), num(mountAttrSize))
	return v
}

func (b *builder) extraDevice(d specs.LinuxDevice) error {
	b.why = "device " + d.Path
	kind, ok := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[d.Type]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: device %s: type %q: want c, u, b or p", d.Path, d.Type)
	}
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(*d.FileMode) & 0o7777
	}
	dir := b.mkdirs(path.Dir(clean(d.Path)))
	name := path.Base(clean(d.Path))
	made := b.node(dir, device{name, kind | mode, uint32(d.Major), uint32(d.Minor)}, d.Path)
	// A node that is the host's keeps its owner.
	if made && (d.UID != nil || d.GID != nil) {
		b.call("fchownat", dir.arg(), str(name), num(idOr(d.UID)), num(idOr(d.GID)),
			flags(uint64(unix.AT_SYMLINK_NOFOLLOW), treeFlags))
	}
	b.closeUnlessRoot(dir)
	return nil
}

// idOr is the id, or the one that chown leaves alone.
func idOr(id *uint32) uint32 {
	if id == nil {
		return 1<<32 - 1
	}
	return *id
}

// console puts the terminal at /dev/console. The instance of devpts is new, so
// its first terminal is number 0.
func (b *builder) console() {
	b.why = "console"
	tty, _ := b.lookup("dev/pts/0", unix.O_NOFOLLOW)
	tree := b.cloneTree(tty, 0)
	b.close(tty)
	target := b.target("dev/console", regular, nil)
	b.attach(tree, target)
	b.close(target)
	b.close(tree)
}
