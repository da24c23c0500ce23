package plan

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maskedPaths hides paths: the host's /dev/null, read-only, over a file (the
// container's own could be a symbolic link, CVE-2025-31133), an empty read-only tmpfs
// over a directory. A path that is not there needs no mask.
//
// Which of both it is, is found out by looking: the kernel takes milliseconds
// to give up a mount that fits nowhere.
func (b *builder) maskedPaths(spec *specs.Spec) error {
	names := make([]string, 0, len(spec.Linux.MaskedPaths))
	for _, name := range spec.Linux.MaskedPaths {
		if !slices.Contains(names, clean(name)) { // one mask hides as much as two
			names = append(names, clean(name))
		}
	}
	empty := b.emptyDir
	if len(names) > 1 && b.host.ClonesDetached() {
		// One filesystem for all of them.
		b.why = "mask directories"
		one := b.emptyDir()
		empty = func() Value { return b.cloneTree(one, 0) }
		defer b.close(one)
	}
	for _, name := range names {
		b.why = "mask " + name
		dir, s := b.lookup(name, unix.O_DIRECTORY)
		s.Accept = []unix.Errno{unix.ENOENT, unix.ENOTDIR}
		notDir := b.here() - 1
		b.cover(empty(), dir)
		masked := b.here() - 1
		b.errorSkipsToHere(notDir)
		file, s := b.lookup(name, 0)
		s.Accept = []unix.Errno{unix.ENOENT, unix.ENOTDIR}
		missing := b.here() - 1
		b.cover(b.hostNode("/dev/null"), file)
		b.errorSkipsToHere(missing)
		b.okSkipsToHere(masked)
	}
	return nil
}

// cover attaches a tree and closes both.
func (b *builder) cover(tree, target Value) {
	b.attach(tree, target)
	b.close(tree)
	b.close(target)
}

// emptyDir returns a tmpfs that holds nothing and takes nothing.
func (b *builder) emptyDir() Value {
	return b.newTree("tmpfs", "tmpfs", options{
		attr: MountAttr{Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID |
			unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC},
		data: []string{"nr_blocks=1", "nr_inodes=1", "mode=755"},
	})
}

// readonlyPaths binds each path onto itself, read-only.
func (b *builder) readonlyPaths(spec *specs.Spec) error {
	for _, name := range spec.Linux.ReadonlyPaths {
		b.why = "make read-only " + name
		target, s := b.lookup(clean(name), 0)
		s.Accept = []unix.Errno{unix.ENOENT, unix.ENOTDIR}
		missing := b.here() - 1
		tree := b.cloneTree(target, unix.AT_RECURSIVE)
		b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), treeFlags),
			mountAttr(unix.MOUNT_ATTR_RDONLY, 0, 0), num(mountAttrSize))
		b.cover(tree, target)
		b.errorSkipsToHere(missing)
	}
	return nil
}
