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
	// IDMap shifts owners between what is on disk and what the mount shows.
	IDMap IDMap `json:"idMap,omitzero"`
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
