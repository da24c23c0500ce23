package plan

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// FilesAllowed is the annotation of a runtime spec that names all files which the processes
// of the container may open, by Landlock (landlock(7)): a line for each, "ro PATH" for reading,
// listing and executing, "rw PATH" for all that can be done with files. A directory stands for
// all that is below it.
const FilesAllowed = "cove.fs-allow"

// Rights over files, by the version of Landlock's interface since which there are more.
const (
	readRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	fileRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	firstRights = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1
)

func rightsOf(version int) uint64 {
	rights := uint64(firstRights)
	for since, right := range map[int]uint64{
		2: unix.LANDLOCK_ACCESS_FS_REFER,
		3: unix.LANDLOCK_ACCESS_FS_TRUNCATE,
		5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV,
	} {
		if version >= since {
			rights |= right
		}
	}
	return rights
}

// allowFiles keeps the process, and all that it starts, from files that are not named. That is
// while the program may still open all of them, and has CAP_SYS_ADMIN, so that it needs no
// no_new_privs; what it opens later it does for no access, which is allowed everywhere.
func (b *builder) allowFiles(spec *specs.Spec) error {
	text := spec.Annotations[FilesAllowed]
	if text == "" {
		return nil
	}
	if b.host.Landlock <= 0 {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"plan: annotation %s: this kernel has no Landlock enabled: that takes CONFIG_SECURITY_LANDLOCK, and landlock in lsm=",
			FilesAllowed)
	}
	all := rightsOf(b.host.Landlock)
	b.why = "files that are allowed"
	rules, _ := b.get("landlock_create_ruleset",
		raw(binary.NativeEndian.AppendUint64(nil, all), fmt.Sprintf("{handled_access_fs=%#x}", all)), num(8), num(0))
	rule := Arg{Kind: Buffer, Num: uint64(b.value())}
	for line := range strings.Lines(text) {
		mode, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rights := map[string]uint64{"ro": readRights, "rw": all}[mode]
		if rights == 0 || !path.IsAbs(name) {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"plan: annotation %s: %q: want \"ro\" or \"rw\", and an absolute path", FilesAllowed, line)
		}
		b.why = "allow " + name
		b.allow(rules, rule, name, rights)
	}
	b.why = "files that are allowed"
	b.call("landlock_restrict_self", rules.arg(), num(0))
	b.close(rules)
	return nil
}

// allow adds a rule, which is struct landlock_path_beneath_attr: rights, and a descriptor.
// Of a file the kernel takes only the rights that files have, and says EINVAL to others.
func (b *builder) allow(rules Value, rule Arg, name string, rights uint64) {
	at, _ := b.get("openat2", cwdFD(), str(name),
		openHow(unix.O_PATH|unix.O_CLOEXEC, unix.RESOLVE_NO_MAGICLINKS), num(24))
	fd := rule
	fd.Offset = 8
	b.store(num(rights), rule)
	b.store(at.arg(), fd)
	add := func() *Step {
		return b.call("landlock_add_rule", rules.arg(), num(unix.LANDLOCK_RULE_PATH_BENEATH), rule, num(0))
	}
	s := add()
	s.Accept, s.OnOK = []unix.Errno{unix.EINVAL}, 2
	b.store(num(rights&fileRights), rule)
	add()
	b.close(at)
}

// store writes a value, of which no system call is asked, to a place in a Buffer.
func (b *builder) store(value, to Arg) {
	b.Steps = append(b.Steps, Step{Op: Store, Why: b.why, Args: []Arg{value, to}})
}
