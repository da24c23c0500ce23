package copier

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"cove/builder/buildctx"
	"cove/errdefs"
)

// Owner is a numeric owner.
type Owner struct{ UID, GID int }

// LookupOwner reads "user", "user:group", names or numbers. Names are looked up
// in /etc/passwd and /etc/group of root, which may be nil. A number alone is
// its own group; a name alone has the group of its passwd line. what begins the
// error.
func LookupOwner(what, spec string, root *buildctx.Tree) (Owner, error) {
	u, g, hasGroup := strings.Cut(spec, ":")
	var o Owner
	uid, err := number(u)
	switch {
	case err == nil:
		o = Owner{uid, uid}
	case errors.Is(err, strconv.ErrRange) || u == "":
		return o, errdefs.Errorf(errdefs.ErrInvalid, "%s: %q is no user", what, u)
	default:
		entry, err := findUser(root, u)
		if err != nil {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", what, err)
		}
		o = Owner{entry.Uid, entry.Gid}
	}
	if !hasGroup {
		return o, nil
	}
	if gid, err := number(g); err == nil {
		o.GID = gid
		return o, nil
	}
	entry, err := findGroup(root, g)
	if err != nil {
		return o, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", what, err)
	}
	o.GID = entry.Gid
	return o, nil
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

func findUser(root *buildctx.Tree, name string) (user.User, error) {
	var found []user.User
	err := readIn(root, "etc/passwd", func(r io.Reader) (err error) {
		found, err = user.ParsePasswdFilter(r, func(u user.User) bool { return u.Name == name })
		return err
	})
	if err != nil {
		return user.User{}, err
	}
	if len(found) == 0 {
		return user.User{}, errdefs.Errorf(errdefs.ErrNotFound,
			"no user %q in /etc/passwd of the image: give a number, or create it in a RUN before", name)
	}
	return found[0], nil
}

func findGroup(root *buildctx.Tree, name string) (user.Group, error) {
	var found []user.Group
	err := readIn(root, "etc/group", func(r io.Reader) (err error) {
		found, err = user.ParseGroupFilter(r, func(g user.Group) bool { return g.Name == name })
		return err
	})
	if err != nil {
		return user.Group{}, err
	}
	if len(found) == 0 {
		return user.Group{}, errdefs.Errorf(errdefs.ErrNotFound,
			"no group %q in /etc/group of the image: give a number, or create it in a RUN before", name)
	}
	return found[0], nil
}

// maxPasswd bounds what a hostile image can make the build read.
const maxPasswd = 16 << 20

// readIn reads a file of the image, if it is there.
func readIn(root *buildctx.Tree, name string, fn func(io.Reader) error) error {
	if root == nil {
		return nil
	}
	_, e, err := root.Resolve(name)
	if e == nil || err != nil {
		return err
	}
	if !e.IsRegular() {
		return errdefs.Errorf(errdefs.ErrInvalid, "/%s of the image is not a regular file", name)
	}
	return root.Read(e, func(r io.Reader) error { return fn(io.LimitReader(r, maxPasswd)) })
}
