package machine

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/rootless"
)

// idRange is what each container with a user namespace of its own gets: as many
// ids as an image may use.
const idRange = 1 << 16

// subIDs are the host's ids that are given to containers, unless /etc/subuid and
// /etc/subgid have a line for the user cove: a part that neither people, nor
// systemd's services and machines, have ids in (systemd's UIDS-GIDS document).
var subIDs = mount.IDRange{Outside: 0x70000000, Size: 0x10000000}

// FreeIDs is the map of the first range that nobody has: taken are the first
// users of those that somebody has.
func FreeIDs(taken map[uint32]bool) (mount.IDMap, error) {
	if _, ok := Rootless(); ok {
		return ownFreeIDs(taken)
	}
	uids, err := subordinate("/etc/subuid")
	if err != nil {
		return mount.IDMap{}, err
	}
	gids, err := subordinate("/etc/subgid")
	if err != nil {
		return mount.IDMap{}, err
	}
	for n := uint32(0); (n+1)*idRange <= min(uids.Size, gids.Size); n++ {
		if first := uids.Outside + n*idRange; !taken[first] {
			return mount.IDMap{
				UIDs: []mount.IDRange{{Outside: first, Size: idRange}},
				GIDs: []mount.IDRange{{Outside: gids.Outside + n*idRange, Size: idRange}},
			}, nil
		}
	}
	return mount.IDMap{}, errdefs.Errorf(errdefs.ErrExhausted,
		"user namespaces: all %d ranges of %d ids are taken; remove containers, or give the user cove more in /etc/subuid and /etc/subgid",
		min(uids.Size, gids.Size)/idRange, idRange)
}

// ownFreeIDs is FreeIDs of the ids that an ordinary user has: the first range of them is
// for containers without a user namespace of their own.
func ownFreeIDs(taken map[uint32]bool) (mount.IDMap, error) {
	all := rootless.Groups() // of users there are as many
	for n := uint32(1); n < all/idRange; n++ {
		first := n * idRange
		if taken[first] {
			continue
		}
		ranges := []mount.IDRange{{Outside: first, Size: idRange}}
		return mount.IDMap{UIDs: ranges, GIDs: ranges}, nil
	}
	return mount.IDMap{}, errdefs.Errorf(errdefs.ErrExhausted, "user namespaces: each container with one of its own "+
		"takes %d ids, and this user has %d in /etc/subuid and /etc/subgid, of which the first %d are for all others; "+
		"root gives more with usermod --add-subuids and --add-subgids", idRange, all, idRange)
}

// Self is who asks, as the machine knows them: root, or the user who has a user
// namespace.
func Self() runspec.User {
	uid, gid := rootless.Outside()
	return runspec.User{UID: uid, GID: gid}
}

// KeptIDs is the map in which whoever asks is uid and gid; size bounds the ids, 0 does
// not. For root, whom nothing stands in the way of, every id is itself.
func KeptIDs(uid, gid, size uint32) (mount.IDMap, error) {
	uids, gids := rootless.Users(), rootless.Groups()
	if _, ok := Rootless(); !ok {
		whole := func(n uint32) []mount.IDRange { return []mount.IDRange{{Size: n}} }
		return mount.IDMap{UIDs: whole(limit(uids, size)), GIDs: whole(limit(gids, size))}, nil
	}
	if most := min(uids, gids); size > most {
		return mount.IDMap{}, errdefs.Errorf(errdefs.ErrExhausted,
			"user namespaces: keep-id with size=%d: this user has %d ids in /etc/subuid and /etc/subgid", size, most)
	}
	return mount.IDMap{UIDs: around(uid, limit(uids, size)), GIDs: around(gid, limit(gids, size))}, nil
}

func limit(all, size uint32) uint32 {
	if size == 0 {
		return all
	}
	return min(all, size)
}

// around maps n ids so that id 0 outside is self inside. Those before it move up by
// one; where there are fewer than that, there is a gap.
func around(self, n uint32) []mount.IDRange {
	var ranges []mount.IDRange
	if below := min(self, n-1); below > 0 {
		ranges = append(ranges, mount.IDRange{Inside: 0, Outside: 1, Size: below})
	}
	ranges = append(ranges, mount.IDRange{Inside: self, Outside: 0, Size: 1})
	if n > self+1 {
		ranges = append(ranges, mount.IDRange{Inside: self + 1, Outside: self + 1, Size: n - self - 1})
	}
	return ranges
}

// subordinate reads the ids of the user cove: NAME:FIRST:COUNT, see subuid(5).
func subordinate(file string) (mount.IDRange, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return subIDs, nil
	}
	if err != nil {
		return mount.IDRange{}, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 || fields[0] != "cove" {
			continue
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err := errors.Join(err1, err2); err != nil || first == 0 || first+count > 1<<32-1 {
			return mount.IDRange{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: %q: want cove:FIRST:COUNT", file,
				lines.Text())
		}
		return mount.IDRange{Outside: uint32(first), Size: uint32(count)}, nil
	}
	return subIDs, lines.Err()
}
