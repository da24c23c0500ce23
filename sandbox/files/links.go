package files

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/internal/inroot"
	"cove/layers/tree"
	"cove/sandbox/plan"
)

// An image may have a link to nothing where something is mounted, as /var/lock is one to
// /run/lock where /run is made at boot, and /etc/resolv.conf to what systemd-resolved would
// write. As runc does, what such a link names is made in the root. The program cannot: what a
// link says is not known when its steps are written. What is not made here, because the root
// is read-only or a mount hides it, the program reports, or mounts over the link.

// MakeLinked makes what is mounted on, and the working directory, where links of the root
// lead to nothing.
func (f *Set) MakeLinked(p *plan.Plan, spec *specs.Spec) {
	if len(p.Files) == 0 || p.Files[0].Kind != plan.Root {
		return
	}
	r := linkedRoot{
		fd:  f.FDs[0],
		uid: int(HostID(spec.Linux.UIDMappings, 0)), gid: int(HostID(spec.Linux.GIDMappings, 0)),
	}
	for _, m := range spec.Mounts {
		r.make(path.Clean("/"+m.Destination), bindsFile(m))
	}
	if spec.Process != nil {
		r.make(path.Clean("/"+spec.Process.Cwd), false)
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

// make walks to a directory, or a file, as the kernel would, and makes what is missing behind
// a link. What is missing without a link on the way is left to the program.
func (r linkedRoot) make(name string, file bool) {
	if fd, err := r.open(name, 0); !errors.Is(err, unix.ENOENT) {
		if err == nil {
			unix.Close(fd)
		}
		return
	}
	// walked is free of links and of dots; left is still to go.
	walked, left, links := "/", name, 0
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
			if !r.create(next, file && strings.Trim(left, "/") == "") {
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

// create makes a directory, or an empty file, and reports whether it is there.
func (r linkedRoot) create(name string, file bool) bool {
	dir, err := r.open(path.Dir(name), unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	base := path.Base(name)
	if file {
		err = unix.Mknodat(dir, base, unix.S_IFREG|0o644, 0)
	} else {
		err = unix.Mkdirat(dir, base, 0o755)
	}
	if err != nil {
		return errors.Is(err, unix.EEXIST)
	}
	return unix.Fchownat(dir, base, r.uid, r.gid, unix.AT_SYMLINK_NOFOLLOW) == nil
}

func (r linkedRoot) open(name string, more uint64) (int, error) {
	return inroot.Open(r.fd, name, unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | more,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}
