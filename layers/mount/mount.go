// Package mount holds the one description of a mount that snapshots and the
// runner share. It is data, and a thread to mount on: the system calls are in
// layers/snapshot/overlay and in runner.
package mount

import "syscall"

// Mount says what to mount, not where. The zero IDMap mounts without id
// mapping.
type Mount struct {
	// Type is "overlay", or "bind" for a directory that is used as it is.
	Type string `json:"type"`
	// Source is the directory of a bind.
	Source string `json:"source,omitempty"`
	// Lower are the read-only directories of an overlay, topmost first. Of a
	// bind it may name the directory that Source began as a copy of, which
	// tells layers/diff what to compare with and means nothing to mounting.
	Lower []string `json:"lower,omitempty"`
	// Upper and Work are the writable directories of an overlay; both empty
	// makes it read-only.
	Upper string `json:"upper,omitempty"`
	Work  string `json:"work,omitempty"`
	// Options are further filesystem options, key or key=value.
	Options []string `json:"options,omitempty"`
	// ReadOnly mounts with MS_RDONLY.
	ReadOnly bool `json:"readOnly,omitempty"`
	// IDMap is that of the user namespace which uses it. A bind, and the lower
	// directories of an overlay, have the owners on disk that are seen inside, and
	// are shown mapped; the kernel can not show Upper so (no overlay can be written
	// to then), which therefore has the owners outside: see [Mount.Owners].
	IDMap IDMap `json:"idMap,omitzero"`
	// Shifted says that the lower directories have the owners outside, too, so that
	// nothing is shown mapped: without root the kernel maps no mount.
	Shifted bool `json:"shifted,omitempty"`
}

// Owners maps what is on disk in the directory that is written to: owners
// outside of a user namespace, where inside others are seen.
func (m Mount) Owners() IDMap {
	if m.Type == "overlay" {
		return m.IDMap
	}
	return IDMap{}
}

// IDMap is a user and group mapping in the form of /proc/PID/uid_map.
type IDMap struct {
	UIDs []IDRange `json:"uids,omitempty"`
	GIDs []IDRange `json:"gids,omitempty"`
}

// IDRange maps Size ids starting at Inside to those starting at Outside.
type IDRange struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Size    uint32 `json:"size"`
}

// Inside is the owner that a user namespace sees. What no range holds stays as
// it is: in a writable layer it comes from the layers below.
func (m IDMap) Inside(uid, gid uint32) (uint32, uint32) {
	return inside(m.UIDs, uid), inside(m.GIDs, gid)
}

func inside(ranges []IDRange, id uint32) uint32 {
	for _, r := range ranges {
		if id >= r.Outside && id-r.Outside < r.Size {
			return r.Inside + (id - r.Outside)
		}
	}
	return id
}

// Outside is the owner of what a user namespace sees as uid and gid; false when
// it has not both.
func (m IDMap) Outside(uid, gid uint32) (outUID, outGID uint32, ok bool) {
	if m.IsZero() {
		return uid, gid, true
	}
	outUID, okUID := outside(m.UIDs, uid)
	outGID, okGID := outside(m.GIDs, gid)
	return outUID, outGID, okUID && okGID
}

func outside(ranges []IDRange, id uint32) (uint32, bool) {
	for _, r := range ranges {
		if id >= r.Inside && id-r.Inside < r.Size {
			return r.Outside + (id - r.Inside), true
		}
	}
	return id, false
}

// Has reports whether a user namespace sees an owner outside as one of its own.
func (m IDMap) Has(uid, gid uint32) bool { return has(m.UIDs, uid) && has(m.GIDs, gid) }

func has(ranges []IDRange, id uint32) bool {
	for _, r := range ranges {
		if id >= r.Outside && id-r.Outside < r.Size {
			return true
		}
	}
	return false
}

// SysProcIDMap are the ranges as package syscall takes them.
func SysProcIDMap(ranges []IDRange) []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, r := range ranges {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(r.Inside), HostID: int(r.Outside), Size: int(r.Size)})
	}
	return out
}

// IsZero reports whether no id is mapped.
func (m IDMap) IsZero() bool { return len(m.UIDs) == 0 && len(m.GIDs) == 0 }
