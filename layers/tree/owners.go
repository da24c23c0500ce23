package tree

import (
	"os"
	"strings"
	"sync"
)

// OneOwner reports whether this process's user namespace has one user or one group
// alone: then no file can belong to anybody else.
func OneOwner() bool { return oneOwner() }

var oneOwner = sync.OnceValue(func() bool {
	return holdsOne("/proc/self/uid_map") || holdsOne("/proc/self/gid_map")
})

// holdsOne reads lines of inside, outside and count (user_namespaces(7)).
func holdsOne(name string) bool {
	b, err := os.ReadFile(name)
	if err != nil {
		return false // a kernel without user namespaces
	}
	fields := strings.Fields(string(b))
	return len(fields) == 3 && fields[2] == "1"
}
