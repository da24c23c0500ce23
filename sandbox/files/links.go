package files

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/tree"
	"cove/sandbox/plan"
)

// An image may have a link to nothing where a directory is mounted, as /var/lock
// is one to /run/lock where /run is made at boot. As runc does, what such a link
// names is made in the root. The program cannot: what a link says is not known
// when its steps are written. What is not made here, because the root is
// read-only or a mount hides it, the program reports.

// MakeLinked makes the directories of the spec that links lead to and that are
// not there.
func (f *Set) MakeLinked(p *plan.Plan, spec *specs.Spec) {
	if len(p.Files) == 0 || p.Files[0].Kind != plan.Root {
		return
	}
	r := linkedRoot{
		fd:  f.FDs[0],
		uid: int(HostID(spec.Linux.UIDMappings, 0)), gid: int(HostID(spec.Linux.GIDMappings, 0)),
	}
	for _, m := range spec.Mounts {
		dir := path.Clean("/" + m.Destination)
		if bindsFile(m) {
			dir = path.Dir(dir)
		}
		r.make(dir)
	}
	if spec.Process != nil {
		r.make(path.Clean("/" + spec.Process.Cwd))
	}
}

func bindsFile(m specs.Mount) bool {
	var st unix.Stat_t
	return path.IsAbs(m.Source) && unix.Stat(m.Source, &st) == nil && !tree.IsDir(st.Mode)
}

// linkedRoot is the root of a container, with the owner of what is made in it.
type linkedRoot struct{ fd, uid, gid int }

// maxLinks is how many links the kernel follows (path_resolution(7)).
const maxLinks = 40

// make walks to a directory as the kernel would, and makes what is missing behind
// a link. What is missing without a link on the way is left to the program.
func (r linkedRoot) make(dir string) {
	if fd, err := r.open(dir, 0); !errors.Is(err, unix.ENOENT) {
		if err == nil {
			unix.Close(fd)
		}
		return
	}
	// walked is free of links and of dots; left is still to go.
	walked, left, links := "/", dir, 0
	for {
		left = strings.TrimLeft(left, "/")
		if left == "" {
			return
		}
		var part string
		part, left, _ = strings.Cut(left, "/")
		next := path.Join(walked, part)
		link, err := r.readLink(next)
		switch {
		case errors.Is(err, unix.ENOENT) && links > 0:
			if !r.mkdir(next) {
				return
			}
		case err != nil:
			return
		case link != "":
			if links++; links > maxLinks {
				return
			}
			left = link + "/" + left
			if next = walked; path.IsAbs(link) {
				next = "/"
			}
		}
		walked = next
	}
}

// readLink returns what the link at name says; empty for anything else.
func (r linkedRoot) readLink(name string) (string, error) {
	fd, err := r.open(name, unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	st, err := tree.Fstat(fd)
	if err != nil || !tree.IsLink(st.Mode) {
		return "", err
	}
	return tree.ReadLink(fd, "")
}

func (r linkedRoot) mkdir(name string) bool {
	dir, err := r.open(path.Dir(name), unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	base := path.Base(name)
	if err := unix.Mkdirat(dir, base, 0o755); err != nil {
		return errors.Is(err, unix.EEXIST)
	}
	return unix.Fchownat(dir, base, r.uid, r.gid, unix.AT_SYMLINK_NOFOLLOW) == nil
}

func (r linkedRoot) open(name string, more uint64) (int, error) {
	return unix.Openat2(r.fd, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | more,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}
