package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/internal/accounts"
	"cove/layers/mount"
)

// Person is somebody who an image may not know.
type Person struct {
	Name, Group string
	UID, GID    uint32
	// Home is where they are at home when Homes, or the image, has that directory, and
	// Else where they are when not.
	Home, Else string
	Homes      []string
}

// Introduce adds a person to /etc/passwd and their group to /etc/group of a root that is
// not mounted yet, as far as neither their name nor their number is known there: programs
// ask who runs them. Files that are no plain ones stay as they are.
func Introduce(ctx context.Context, m mount.Mount, p Person) error {
	var passwd, group []byte
	err := With(ctx, m, func(root int) error {
		var err error
		uid, gid := strconv.FormatUint(uint64(p.UID), 10), strconv.FormatUint(uint64(p.GID), 10)
		if passwd, err = unknownIn(root, "etc/passwd", p.Name, uid); passwd != nil {
			line := strings.Join([]string{p.Name, "*", uid, gid, p.Name, p.home(root), "/bin/sh"}, ":")
			passwd = append(passwd, line+"\n"...)
		}
		if err == nil {
			if group, err = unknownIn(root, "etc/group", p.Group, gid); group != nil {
				group = append(group, p.Group+":x:"+gid+":"+p.Name+"\n"...)
			}
		}
		return err
	})
	if err == nil && passwd != nil {
		err = replaceIn(m, "passwd", passwd)
	}
	if err == nil && group != nil {
		err = replaceIn(m, "group", group)
	}
	if err != nil {
		return fmt.Errorf("introducing user %s to the container: %w", p.Name, err)
	}
	return nil
}

// maxAccounts bounds a file of accounts that is written again.
const maxAccounts = 1 << 20

// home is where they are at home; nothing that would be another field, or line.
func (p Person) home(root int) string {
	home := p.homeIn(root)
	if strings.ContainsAny(home, ":\n") {
		return "/"
	}
	return home
}

func (p Person) homeIn(root int) string {
	if slices.Contains(p.Homes, p.Home) {
		return p.Home
	}
	st, err := statIn(root, strings.TrimPrefix(p.Home, "/"))
	if p.Home == "" || err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return p.Else
	}
	return p.Home
}

// unknownIn is what a file of accounts has, up to the end of a line, when neither the name
// nor the id is in it; else nil.
func unknownIn(root int, file, name, id string) ([]byte, error) {
	if st, err := statIn(root, file); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, nil
	}
	f, err := accounts.Open(root, file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil || len(text) >= maxAccounts {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), ":")
		if len(fields) > 2 && (fields[0] == name || fields[2] == id) {
			return nil, nil
		}
	}
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	return append([]byte{}, text...), nil
}

// replaceIn writes a file of /etc in the top directory of m, with the owner and mode of the
// one below that it hides.
func replaceIn(m mount.Mount, name string, text []byte) error {
	fds, err := openAll(m)
	defer closeAll(fds)
	if err != nil {
		return err
	}
	below := m.IDMap
	if m.Shifted || m.Type == "bind" {
		below = mount.IDMap{}
	}
	uid, gid := owner(m.IDMap, 0, 0)
	mode := uint32(0o644)
	for _, fd := range fds {
		if has, err := statIn(fd, "etc/"+name); err == nil {
			uid, gid = owner(below, int(has.Uid), int(has.Gid))
			mode = has.Mode & 0o7777
			break
		}
	}
	etc, _, err := directory(fds, fds[0], below)
	if err != nil || etc < 0 {
		return err
	}
	defer unix.Close(etc)
	temp := name + ".introduced"
	fd, err := unix.Openat(etc, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temp)
	_, err = f.Write(text)
	err = errors.Join(err, f.Chown(uid, gid), unix.Fchmod(fd, mode), f.Close())
	if err == nil {
		err = unix.Renameat(etc, temp, etc, name)
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(etc, temp, 0))
	}
	return nil
}

// openAll opens the directories of a root, the one that is written to first.
func openAll(m mount.Mount) (fds []int, err error) {
	dirs := append([]string{m.Upper}, m.Lower...)
	if m.Type == "bind" {
		dirs = []string{m.Source}
	}
	for _, dir := range dirs {
		fd, err := Open(dir)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
