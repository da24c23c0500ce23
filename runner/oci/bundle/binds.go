package bundle

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/check"
)

// accessTimes has the options of a bind that are about access times mean what they mean to
// mount(8): one of them that is set stands for all, and words that only clear one change
// nothing of what the source has.
func accessTimes(options []string) []string {
	set := map[string]bool{}
	var others []string
	for _, o := range options {
		switch o {
		case "noatime", "nodiratime", "relatime", "strictatime":
			set[o] = true
		case "atime", "diratime", "norelatime", "nostrictatime":
			delete(set, map[string]string{
				"atime": "noatime", "diratime": "nodiratime",
				"norelatime": "relatime", "nostrictatime": "strictatime",
			}[o])
		default:
			others = append(others, o)
		}
	}
	if len(set) == 0 {
		return others
	}
	how, dirs := "relatime", "diratime"
	switch {
	case set["strictatime"]:
		how = "strictatime"
	case set["noatime"]:
		how = "noatime"
	}
	if set["nodiratime"] {
		dirs = "nodiratime"
	}
	return append(others, how, dirs)
}

// locked are the flags of a mount that nobody in a user namespace may clear
// (mount_namespaces(7)), by the options that would.
var locked = map[string]int64{
	"rw": unix.ST_RDONLY, "suid": unix.ST_NOSUID, "dev": unix.ST_NODEV, "exec": unix.ST_NOEXEC,
}

// keepsLocked refuses a bind into a user namespace that asks for more than its source allows.
func keepsLocked(spec *specs.Spec, m specs.Mount) error {
	if !check.Has(spec, specs.UserNamespace) {
		return nil
	}
	// Of a source that is not there whoever mounts it says so, or an earlier mount makes it.
	var st unix.Statfs_t
	_ = unix.Statfs(m.Source, &st)
	for i, o := range m.Options {
		undone := slices.ContainsFunc(m.Options[i+1:], func(later string) bool { return clears[later] == o })
		if st.Flags&locked[o] != 0 && !undone || times[o] && st.Type != 0 && !sameTimes(m.Options, st.Flags) {
			return errdefs.Errorf(errdefs.ErrDenied, "error mounting %s at %s: option %q: %w; its source is mounted otherwise, "+
				"which a user namespace cannot change", m.Source, m.Destination, o, unix.EPERM)
		}
	}
	return nil
}

// times are the options that set how access times are kept.
var times = map[string]bool{"noatime": true, "nodiratime": true, "relatime": true, "strictatime": true}

// sameTimes reports whether options keep access times as a source does that has flags. Both
// ways to say more or less are locked.
func sameTimes(options []string, flags int64) bool {
	want := int64(-1)
	for _, o := range accessTimes(options) {
		switch o {
		case "strictatime":
			want = 0
		case "noatime":
			want = unix.ST_NOATIME
		case "relatime":
			want = unix.ST_RELATIME
		case "nodiratime":
			want |= unix.ST_NODIRATIME
		}
	}
	return want < 0 || want == flags&(unix.ST_NOATIME|unix.ST_RELATIME|unix.ST_NODIRATIME)
}

// clears are the options that take others back.
var clears = map[string]string{"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec"}
