package containers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/engine/containers/owners"
	"cove/engine/machine"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/filelock"
	"cove/layers/mount"
	"cove/runner/record"
)

// sharing is what may be said of the namespace of one kind.
type sharing struct {
	kind   string
	asked  *record.Sharing
	words  []record.Sharing
	joins  bool // container:NAME too
	others string
}

// checkShared refuses what a namespace cannot be, and replaces the names of
// containers by their ids, so that a rename does not break it.
func (cs *Containers) checkShared(ctx context.Context, o *runspec.Options) error {
	s := &o.Shared
	for _, k := range []sharing{
		{"PID", &s.PID, []record.Sharing{record.Host}, true, ""},
		{
			"IPC", &s.IPC, []record.Sharing{record.Host, record.Private, record.Shareable, record.NoShm}, true, "",
		},
		{"UTS", &s.UTS, []record.Sharing{record.Host}, false, ""},
		{"cgroup namespace", &s.Cgroup, []record.Sharing{record.Host, record.Private}, false, ""},
		{
			"USER", &s.User, []record.Sharing{record.Host, record.Auto}, true, ", keep-id[:uid=N,gid=N,size=N]",
		},
	} {
		if _, kept := k.asked.Kept(); kept && k.asked == &s.User {
			continue // its options are read when its ids are chosen
		}
		if err := cs.checkSharing(ctx, k); err != nil {
			return err
		}
	}
	switch {
	case s.UTS == record.Host && o.Hostname != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: hostname and the UTS mode")
	case s.UTS == record.Host && o.Domainname != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: domainname and the UTS mode")
	case s.UTS == record.Host && sysctlOf(o, "kernel.hostname", "kernel.domainname"):
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: a name by sysctl and the UTS mode")
	case s.IPC == record.Host && sysctlOf(o, "kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."):
		return errdefs.Errorf(errdefs.ErrInvalid, "conflicting options: a limit of IPC by sysctl and the IPC mode host")
	}
	return nil
}

func sysctlOf(o *runspec.Options, prefixes ...string) bool {
	for name := range o.Resources.Sysctls {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return true
		}
	}
	return false
}

func (cs *Containers) checkSharing(ctx context.Context, k sharing) error {
	name, joins := k.asked.Peer()
	switch {
	case *k.asked == "" || slices.Contains(k.words, *k.asked):
		return nil
	case !joins || !k.joins || name == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid %s mode %q: want %s%s", k.kind, *k.asked, k.list(), k.others)
	}
	c, err := cs.Container(ctx, name)
	if err != nil {
		return fmt.Errorf("%s mode %s: %w", k.kind, *k.asked, err)
	}
	*k.asked = record.OfContainer(c.ID())
	return nil
}

func (k sharing) list() string {
	var words []string
	for _, w := range k.words {
		words = append(words, string(w))
	}
	if k.joins {
		words = append(words, string(record.OfContainer("NAME")))
	}
	return strings.Join(words, ", ")
}

// mapOwners gives the container the ids of its user namespace: a range that no other
// container has, those of the container whose namespace it joins, or those that keep
// whoever asks who they are, as whom it then runs when nobody says otherwise. Its root
// directory becomes the namespace's root's. Ranges stay locked until the container is
// on record.
func (cs *Containers) mapOwners(
	ctx context.Context, p *prepared, root *mount.Mount, o runspec.Options,
) (user string, err error) {
	if s := o.Shared.User; s == "" || s == record.Host {
		return "", nil
	}
	find := func(ctx context.Context, name string) (record.Config, error) {
		c, err := cs.Container(ctx, name)
		if err != nil {
			return record.Config{}, err
		}
		return c.Config(), nil
	}
	var kept owners.Kept
	peer, joins := o.Shared.User.Peer()
	switch {
	case joins:
		other, err := find(ctx, peer)
		if err != nil {
			return "", err
		}
		root.IDMap = other.Root.IDMap
	case o.Shared.User == record.Auto:
		root.IDMap, err = cs.freeIDs(ctx, p)
	default:
		kept, err = owners.Keep(o.Shared.User)
		root.IDMap, user = kept.IDs, kept.User
	}
	if err != nil || root.IDMap.IsZero() { // as that of a container without one
		return user, err
	}
	if err := owners.Check(ctx, o, find); err != nil {
		return "", err
	}
	if _, ok := machine.Rootless(); ok {
		if err := rootfs.Shift(ctx, root); err != nil || user == "" {
			return user, err
		}
		if person, known := kept.Person(o); known {
			return user, rootfs.Introduce(ctx, *root, person)
		}
		return user, nil
	}
	if root.Type != "overlay" {
		return user, nil // a bind is mapped whole
	}
	uid, gid, _ := root.IDMap.Outside(0, 0)
	return user, os.Chown(root.Upper, int(uid), int(gid))
}

// freeIDs are ids that no other container has.
func (cs *Containers) freeIDs(ctx context.Context, p *prepared) (ids mount.IDMap, err error) {
	if p.ranges, err = filelock.Open(ctx, filepath.Join(cs.parts.Root, "ids.lock"), filelock.Exclusive); err != nil {
		return ids, err
	}
	r, err := cs.parts.Runner()
	if err != nil {
		return ids, err
	}
	all, err := r.All(ctx)
	if err != nil {
		return ids, err
	}
	taken := map[uint32]bool{}
	for _, c := range all {
		for _, ids := range c.Config().Root.IDMap.UIDs {
			taken[ids.Outside] = true
		}
	}
	return machine.FreeIDs(taken)
}
