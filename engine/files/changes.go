package files

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/engine/rootfs"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/whiteout"
	"cove/runner"
)

// Changes lists what a container changed in its root filesystem.
func (fl *Files) Changes(ctx context.Context, ref string) ([]diff.Change, error) {
	c, err := fl.parts.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	all, err := diff.Changes(ctx, c.Config().Root, ownMounts(c))
	if err != nil {
		return nil, err
	}
	own := ownNames(c)
	if rootfs.IsMark(top(c), "etc/mtab") {
		own["etc/mtab"] = true
	}
	return withoutWays(all, own, c.Config().Root)
}

// withoutWays leaves directories out that are in a container's root only because
// something of its own is in them: they were made, or copied up as they are, for that.
func withoutWays(all []diff.Change, own map[string]bool, root mount.Mount) ([]diff.Change, error) {
	ways := map[string]bool{}
	for name := range own {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			ways[dir] = true
		}
	}
	if len(ways) == 0 || root.Type != "overlay" {
		return all, nil
	}
	lowers, err := whiteout.OpenLowers(root.Lower)
	if err != nil {
		return nil, err
	}
	defer lowers.Close()
	upper, err := whiteout.OpenLowers([]string{root.Upper})
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	var kept []diff.Change // from the last name on: what is in a directory comes before it
	for _, c := range slices.Backward(all) {
		name := strings.TrimPrefix(c.Name, "/")
		shown := len(kept) > 0 && strings.HasPrefix(kept[len(kept)-1].Name, c.Name+"/")
		if ways[name] && !shown && onlyWay(upper, lowers, root.Owners(), name) {
			continue
		}
		if name == "etc" && c.Kind == diff.Added && shown && own["etc/mtab"] {
			c.Kind = diff.Changed
		}
		kept = append(kept, c)
	}
	slices.Reverse(kept)
	return kept, nil
}

// onlyWay says whether a directory of the upper layer is as it is below, or as it was made
// where nothing is below.
func onlyWay(upper, lowers *whiteout.Lowers, owners mount.IDMap, name string) bool {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	fd, is, err := upper.Lookup(dir, base)
	if err != nil {
		return false
	}
	unix.Close(fd)
	fd, was, err := lowers.Lookup(dir, base)
	switch {
	case errors.Is(err, unix.ENOENT):
		return is.Mode&0o7777 == 0o755
	case err != nil:
		return false
	}
	unix.Close(fd)
	uid, gid := owners.Inside(is.Uid, is.Gid)
	return is.Mode == was.Mode && uid == was.Uid && gid == was.Gid
}

// ownNames are those in a container's root only to be mounted on, or that every container
// has.
func ownNames(c *runner.Container) map[string]bool {
	own := map[string]bool{"etc/hosts": true, "etc/hostname": true, "etc/resolv.conf": true}
	for _, m := range c.Config().Spec.Mounts {
		own[strings.Trim(m.Destination, "/")] = true
	}
	return own
}

// ownMounts tells of those names, and of the marks.
func ownMounts(c *runner.Container) func(name string) bool {
	own := ownNames(c)
	return func(name string) bool { return own[name] || rootfs.IsMark(top(c), name) }
}
