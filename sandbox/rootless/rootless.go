// Package rootless gives an ordinary user a user namespace in which it is root, as
// containers need one for mounts, owners and capabilities.
//
// There is one namespace for each user, held by a process that does nothing else, so
// that a container and the commands that look after it are in the same one: a process
// has no power over a user namespace beside its own. [Enter] makes it when it is not
// there, with the ids that /etc/subuid and /etc/subgid give the user, and executes a
// program inside.
package rootless

import (
	"bytes"
	"math"
	"os"
	"strconv"
)

// Variable says, in the environment of what Enter executes, which uid the user has
// outside.
const Variable = "COVE_ROOTLESS_UID"

// UID is the user's outside, when this process was executed by Enter: the variable
// alone is not believed, the kernel has to say the same.
func UID() (uid int, ok bool) {
	uid, err := strconv.Atoi(os.Getenv(Variable))
	if err != nil || uid <= 0 {
		return 0, false
	}
	for _, r := range readMap("/proc/self/uid_map") {
		if r.inside == 0 && r.outside == uid {
			return uid, true
		}
	}
	return 0, false
}

// SingleID reports whether this process is in a user namespace that has no ids but
// root's: then all files belong to root there, and no process may be anybody else.
func SingleID() bool { return single("/proc/self/uid_map") || single("/proc/self/gid_map") }

func single(name string) bool {
	ranges := readMap(name)
	return len(ranges) == 1 && ranges[0].size == 1
}

// Outside is who root of this process's user namespace is outside of it.
func Outside() (uid, gid uint32) { return outside("/proc/self/uid_map"), outside("/proc/self/gid_map") }

func outside(name string) uint32 {
	for _, r := range readMap(name) {
		if r.inside == 0 {
			return uint32(r.outside)
		}
	}
	return 0
}

// Users is how many users this process's user namespace has, from 0 on.
func Users() uint32 { return count("/proc/self/uid_map") }

// Groups is how many groups it has.
func Groups() uint32 { return count("/proc/self/gid_map") }

func count(name string) uint32 {
	all := 0
	for _, r := range readMap(name) {
		all = max(all, r.inside+r.size)
	}
	return uint32(min(all, math.MaxUint32))
}

// idRange maps size ids that begin at inside to those that begin at outside.
type idRange struct{ inside, outside, size int }

// readMap reads a file as /proc/PID/uid_map (user_namespaces(7)).
func readMap(name string) []idRange {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	var all []idRange
	for line := range bytes.Lines(b) {
		var n [3]int
		for i, field := range bytes.Fields(line) {
			if i < len(n) {
				n[i], _ = strconv.Atoi(string(field)) // the kernel writes numbers
			}
		}
		all = append(all, idRange{n[0], n[1], n[2]})
	}
	return all
}
