package rootless

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"cove/errdefs"
)

// subordinate reads the ids that a file as /etc/subuid (subuid(5)) gives a user, by
// name or number.
func subordinate(file, name string, uid int) ([]idRange, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []idRange
	inside := 1
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || fields[0] != name && fields[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 31)
		size, err2 := strconv.ParseUint(fields[2], 10, 31)
		if err1 != nil || err2 != nil || size == 0 {
			continue
		}
		all = append(all, idRange{inside: inside, outside: int(first), size: int(size)})
		inside += int(size)
	}
	return all, lines.Err()
}

// ids are the maps of a user's namespace: root inside is the user itself.
type ids struct{ uids, gids []idRange }

// find reads which ids a user has. What is missing is an error that says how to get
// it.
func find(name string, uid, gid int) (ids, error) {
	uids, err := subordinate("/etc/subuid", name, uid)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ids{}, err
	}
	gids, err := subordinate("/etc/subgid", name, uid)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ids{}, err
	}
	for _, missing := range []struct {
		ranges     []idRange
		file, flag string
	}{{uids, "/etc/subuid", "--add-subuids"}, {gids, "/etc/subgid", "--add-subgids"}} {
		if len(missing.ranges) == 0 {
			return ids{}, errdefs.Errorf(errdefs.ErrNotFound,
				"%s gives %s no ids (as root: usermod %s 100000-165535 %s)", missing.file, name, missing.flag, name)
		}
	}
	self := func(id int) idRange { return idRange{inside: 0, outside: id, size: 1} }
	return ids{append([]idRange{self(uid)}, uids...), append([]idRange{self(gid)}, gids...)}, nil
}

// assign gives the user namespace of a process its ids, with the programs that may.
func (m ids) assign(pid int) error {
	for _, by := range []struct {
		program string
		ranges  []idRange
	}{{"newgidmap", m.gids}, {"newuidmap", m.uids}} {
		args := []string{strconv.Itoa(pid)}
		for _, r := range by.ranges {
			args = append(args, strconv.Itoa(r.inside), strconv.Itoa(r.outside), strconv.Itoa(r.size))
		}
		out, err := exec.Command(by.program, args...).CombinedOutput() //nolint:noctx // it makes one call
		if errors.Is(err, exec.ErrNotFound) {
			return errdefs.Errorf(errdefs.ErrUnavailable, "%s is not there; install the package uidmap", by.program)
		}
		if err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w: %s", by.program, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// assignOne gives it the user's own ids, as root's, which needs nobody else.
func assignOne(pid, uid, gid int) error {
	for _, file := range []struct{ name, text string }{
		{"setgroups", "deny"}, // without that the kernel lets nobody map a group
		{"gid_map", fmt.Sprintf("0 %d 1\n", gid)},
		{"uid_map", fmt.Sprintf("0 %d 1\n", uid)},
	} {
		// In one write, which the kernel demands.
		f, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/"+file.name, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(file.text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("rootless: mapping the ids of a user namespace: %w", err)
		}
	}
	return nil
}

// refused says why a kernel makes no user namespace.
func refused(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return errdefs.Errorf(errdefs.ErrDenied,
			"this host allows no more user namespaces (sysctl user.max_user_namespaces): %w", err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return errdefs.Errorf(errdefs.ErrDenied, "this host lets no ordinary user make a user namespace "+
			"(sysctl kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns, "+
			"or the container that this runs in): %w", err)
	}
	return fmt.Errorf("making a user namespace: %w", err)
}
