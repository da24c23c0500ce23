package parse

import (
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/layers/mount"
)

// owners reads who the files of a mount belong to.
func (m *mountText) owners(key, value string, hasValue bool) (err error) {
	switch {
	case key == "uid":
		m.v.Owners.UID, err = m.id(key, value)
	case key == "gid":
		m.v.Owners.GID, err = m.id(key, value)
	case strings.Contains(value, "="):
		m.v.Owners.Host, m.v.Owners.Container, err = idMap(value)
	default:
		m.v.MapOwners, err = m.flag(key, value, hasValue)
	}
	return err
}

// id reads a user or group.
func (m *mountText) id(key, value string) (*uint32, error) {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n == noID {
		return nil, m.bad("%s %q: want a number", key, value)
	}
	id := uint32(n)
	return &id, nil
}

// noID is the id that nothing has (chown(2)).
const noID = 1<<32 - 1

// idMap reads crun's uids=DISK-SHOWN-COUNT[#…];gids=…, where an @ before a range says
// that SHOWN is an id of the container, not of the host. What is said of one kind
// alone holds for both.
func idMap(s string) (host, container mount.IDMap, err error) {
	bad := func() error {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"idmap %s: want uids=DISK-SHOWN-COUNT[#DISK-SHOWN-COUNT…];gids=…", s)
	}
	for part := range strings.SplitSeq(s, ";") {
		key, ranges, _ := strings.Cut(part, "=")
		to := map[string][2]*[]mount.IDRange{
			"uids": {&host.UIDs, &container.UIDs}, "gids": {&host.GIDs, &container.GIDs},
		}[key]
		if to[0] == nil || len(*to[0])+len(*to[1]) > 0 {
			return host, container, bad()
		}
		for text := range strings.SplitSeq(ranges, "#") {
			relative, inContainer := strings.CutPrefix(text, "@")
			r, ok := idRange(relative)
			if !ok {
				return host, container, bad()
			}
			into := to[0]
			if inContainer {
				into = to[1]
			}
			*into = append(*into, r)
		}
	}
	if len(host.UIDs)+len(container.UIDs) == 0 {
		host.UIDs, container.UIDs = host.GIDs, container.GIDs
	}
	if len(host.GIDs)+len(container.GIDs) == 0 {
		host.GIDs, container.GIDs = host.UIDs, container.UIDs
	}
	return host, container, nil
}

func idRange(s string) (r mount.IDRange, ok bool) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return r, false
	}
	var n [3]uint64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseUint(part, 10, 32); err != nil {
			return r, false
		}
	}
	r = mount.IDRange{Inside: uint32(n[0]), Outside: uint32(n[1]), Size: uint32(n[2])}
	return r, n[2] > 0 && n[0]+n[2] <= noID && n[1]+n[2] <= noID
}
