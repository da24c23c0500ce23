// Package accounts reads the files of accounts, /etc/passwd and /etc/group, of a root
// filesystem that an image or a container has written.
package accounts

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"cove/internal/inroot"
)

// maxSize bounds what such a file can make its reader read.
const maxSize = 16 << 20

// Open opens a file below the directory root, which no link leads out of: an absolute
// link means the image's own root. A file that is not there, and what is no regular
// file, reads as empty.
func Open(root int, name string) (io.ReadCloser, error) {
	fd, err := inroot.Open(root, name, unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return Nothing(), nil
	case err != nil:
		return nil, fmt.Errorf("reading /%s of the root filesystem: %w", name, err)
	}
	return Bounded(os.NewFile(uintptr(fd), name))
}

// Bounded is an open file of accounts, of which only so much is read.
func Bounded(f *os.File) (io.ReadCloser, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return Nothing(), err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, maxSize), f}, nil
}

// Opener opens a file of accounts by its path in a root filesystem.
type Opener func(name string) (io.ReadCloser, error)

// In opens below the directory root, as [Open] does.
func In(root int) Opener {
	return func(name string) (io.ReadCloser, error) { return Open(root, name) }
}

// Nothing is what a file that is not there reads as.
func Nothing() io.ReadCloser { return io.NopCloser(eof{}) }

// Find resolves a user, by name or number, and its groups. Numbers need no entry.
func Find(open Opener, name string) (*user.ExecUser, error) {
	passwd, err := open("etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	group, err := open("etc/group")
	if err != nil {
		return nil, err
	}
	defer group.Close()
	return user.GetExecUser(name, &user.ExecUser{Home: "/"}, passwd, group)
}

// Home is the home directory of a user: the root for one without an entry.
func Home(root int, uid uint32) (string, error) {
	passwd, err := Open(root, "etc/passwd")
	if err != nil {
		return "", err
	}
	defer passwd.Close()
	found, err := user.ParsePasswdFilter(passwd, func(u user.User) bool { return u.Uid == int(uid) })
	if err != nil || len(found) == 0 || found[0].Home == "" {
		return "/", err
	}
	return found[0].Home, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// WithHome is env with the HOME of a user of the root filesystem in dir, where env has
// none. runc and crun give it so, and what starts containers by them relies on that. Of
// what env has twice the last one counts: a program would find the first.
func WithHome(env []string, dir string, uid uint32) ([]string, error) {
	env = once(env)
	if slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=/") }) {
		return env, nil
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root filesystem: %w", err)
	}
	defer unix.Close(root)
	home, err := Home(root, uid)
	if err != nil {
		return nil, err
	}
	unset := func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }
	return append(slices.DeleteFunc(slices.Clone(env), unset), "HOME="+home), nil
}

// once is env with the last of those that have the same name.
func once(env []string) []string {
	out := make([]string, 0, len(env))
	last := make(map[string]int, len(env))
	name := func(kv string) string { return kv[:max(0, strings.IndexByte(kv, '='))] }
	for i, kv := range env {
		last[name(kv)] = i
	}
	for i, kv := range env {
		if name(kv) == "" || last[name(kv)] == i {
			out = append(out, kv)
		}
	}
	return out
}
