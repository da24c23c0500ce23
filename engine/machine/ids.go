package machine

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

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
