package containers

import (
	"context"
	"os"
	"path/filepath"

	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/filelock"
	"cove/layers/mount"
	"cove/network"
	"cove/runner/record"
)

// mapOwners gives the container a range of ids that no other container has, and
// its root directory to that range's root. The ranges stay locked until the
// container is on record.
func (cs *Containers) mapOwners(ctx context.Context, p *prepared, root *mount.Mount, o runspec.Options) error {
	if o.Shared.User != record.Auto {
		return nil
	}
	if err := checkUserNamespace(o); err != nil {
		return err
	}
	lock, err := filelock.Open(ctx, filepath.Join(cs.parts.Root, "ids.lock"), filelock.Exclusive)
	if err != nil {
		return err
	}
	p.ranges = lock
	taken, err := cs.takenIDs(ctx)
	if err != nil {
		return err
	}
	if root.IDMap, err = machine.FreeIDs(taken); err != nil {
		return err
	}
	if root.Type != "overlay" {
		return nil // a bind is mapped whole
	}
	uid, gid, _ := root.IDMap.Outside(0, 0)
	return os.Chown(root.Upper, int(uid), int(gid))
}

// checkUserNamespace refuses, in docker's words, what a user namespace would have
// to be outside of itself for.
func checkUserNamespace(o runspec.Options) error {
	shared := func(what string) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot share the host's %s namespace when user namespaces are enabled", what)
	}
	joins := func(s record.Sharing) bool {
		_, ok := s.Peer()
		return ok
	}
	_, joinsNetwork := network.Mode(o.Network).Peer()
	switch {
	case o.Security.Privileged:
		return errdefs.Errorf(errdefs.ErrInvalid, "privileged mode is incompatible with user namespaces.  "+
			"You must run the container in the host namespace when running privileged mode")
	case o.Network == string(network.Host):
		return shared("network")
	case o.Shared.PID == record.Host:
		return shared("PID")
	case o.Shared.IPC == record.Host:
		return shared("IPC")
	case o.Shared.UTS == record.Host:
		return shared("UTS")
	case joinsNetwork || joins(o.Shared.PID) || joins(o.Shared.IPC):
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"a container with a user namespace of its own cannot join namespaces of another, which belong to another user namespace")
	}
	return nil
}

// takenIDs are the first ids of the ranges of all containers.
func (cs *Containers) takenIDs(ctx context.Context) (map[uint32]bool, error) {
	r, err := cs.parts.Runner()
	if err != nil {
		return nil, err
	}
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	taken := map[uint32]bool{}
	for _, c := range all {
		for _, ids := range c.Config().Root.IDMap.UIDs {
			taken[ids.Outside] = true
		}
	}
	return taken, nil
}
