// Package owners chooses the ids that the user namespace of a container has, and says
// which other namespaces may go with it.
package owners

import (
	"cmp"
	"context"
	"os/user"
	"strconv"
	"strings"

	"cove/engine/machine"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/network"
	"cove/runner/record"
)

// Find finds the record of a container by its name or id.
type Find func(ctx context.Context, name string) (record.Config, error)

// Kept is who somebody is in a user namespace in which they are as outside
// (--userns keep-id).
type Kept struct {
	IDs mount.IDMap
	// User is the UID:GID as which the container runs when nobody says otherwise.
	User     string
	uid, gid uint32
}

// Keep is podman's keep-id[:uid=N,gid=N,size=N]. Without root the user keeps the
// number that it has, or becomes the one that is asked for, and all other ids are
// shifted to make room; with root every id is what it was.
func Keep(asked record.Sharing) (Kept, error) {
	options, _ := asked.Kept()
	self := machine.Self()
	ids := map[string]uint32{"uid": self.UID, "gid": self.GID, "size": 0}
	for option := range strings.SplitSeq(options, ",") {
		if options == "" {
			break
		}
		key, value, _ := strings.Cut(option, "=")
		if _, ok := ids[key]; !ok {
			return Kept{}, errdefs.Errorf(errdefs.ErrInvalid,
				"invalid USER mode %q: %q: want uid=N, gid=N or size=N", asked, option)
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || key == "size" && n == 0 {
			return Kept{}, errdefs.Errorf(errdefs.ErrInvalid,
				"invalid USER mode %q: %s: %q is not a number of an id", asked, key, value)
		}
		ids[key] = uint32(n)
	}
	m, err := machine.KeptIDs(ids["uid"], ids["gid"], ids["size"])
	if err != nil {
		return Kept{}, err
	}
	as := strconv.FormatUint(uint64(ids["uid"]), 10) + ":" + strconv.FormatUint(uint64(ids["gid"]), 10)
	return Kept{IDs: m, User: as, uid: ids["uid"], gid: ids["gid"]}, nil
}

// Person is whoever asks, as a container with those ids is told of them; false where this
// machine knows nobody of that number.
func (k Kept) Person(o runspec.Options) (rootfs.Person, bool) {
	self := machine.Self()
	who, err := user.LookupId(strconv.FormatUint(uint64(self.UID), 10))
	if err != nil {
		return rootfs.Person{}, false
	}
	p := rootfs.Person{
		Name: who.Username, Group: who.Username, UID: k.uid, GID: k.gid,
		Home: who.HomeDir, Else: cmp.Or(o.Workdir, "/"),
	}
	if group, err := user.LookupGroupId(strconv.FormatUint(uint64(self.GID), 10)); err == nil {
		p.Group = group.Name
	}
	for _, v := range o.Volumes {
		p.Homes = append(p.Homes, v.Target)
	}
	return p, true
}

// Check refuses, in docker's words, what a user namespace would have to be outside of
// itself for. self is what the container's other namespaces that it joins must
// belong to, too: the user namespace of o.
func Check(ctx context.Context, o runspec.Options, find Find) error {
	shared := func(what string) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot share the host's %s namespace when user namespaces are enabled", what)
	}
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
	}
	joined := []string{}
	for _, s := range []record.Sharing{record.Sharing(o.Network), o.Shared.PID, o.Shared.IPC} {
		if peer, ok := s.Peer(); ok {
			joined = append(joined, peer)
		}
	}
	if len(joined) == 0 {
		return nil
	}
	own, err := origin(ctx, o.Shared.User, "", find)
	if err != nil {
		return err
	}
	for _, peer := range joined {
		c, err := find(ctx, peer)
		if err != nil {
			return err
		}
		theirs, err := origin(ctx, c.Shared.User, c.ID, find)
		if err != nil {
			return err
		}
		if own != theirs {
			return errdefs.Suggest(errdefs.Errorf(errdefs.ErrUnsupported, "a container with a user namespace of its "+
				"own cannot join namespaces of another, which belong to another user namespace"), errdefs.JoinUsers, peer)
		}
	}
	return nil
}

// origin is the container whose user namespace was made for it, of one that is in it:
// the container self itself, or the first of those that it joined.
func origin(ctx context.Context, s record.Sharing, self string, find Find) (string, error) {
	peer, joins := s.Peer()
	if !joins {
		return self, nil
	}
	c, err := find(ctx, peer)
	if err != nil {
		return "", err
	}
	return origin(ctx, c.Shared.User, c.ID, find)
}
