package state

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/inroot"
)

// FindProgram fails when the container, which has been created, has no program of its
// process's name: engines expect to be told by create, not only by start. What it
// finds may still be refused by execve.
func (c *Container) FindProgram() error {
	p := c.Spec.Process
	root, err := unix.Open("/proc/"+strconv.Itoa(c.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // start fails, and says why
	}
	defer unix.Close(root)
	name := p.Args[0]
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(p.Cwd, name)
		}
		if missing(root, name) {
			return errdefs.Errorf(errdefs.ErrNotFound, "exec: %q: stat %s: no such file or directory", p.Args[0], name)
		}
		return nil
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, kv := range p.Env {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = value
		}
	}
	for _, dir := range strings.Split(search, ":") {
		if dir == "" || !path.IsAbs(dir) {
			dir = path.Join(p.Cwd, dir)
		}
		if !missing(root, path.Join(dir, name)) {
			return nil
		}
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "exec: %q: executable file not found in $PATH", name)
}

// missing reports whether a path surely is not there below root.
func missing(root int, name string) bool {
	fd, err := inroot.Open(root, strings.TrimPrefix(name, "/"), unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
