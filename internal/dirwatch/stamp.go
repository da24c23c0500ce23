package dirwatch

import (
	"time"

	"golang.org/x/sys/unix"
)

// Stamp is one state of a directory. Whatever replaces, makes or removes a file there gives
// it another. The zero value is no state: nothing can be told by it.
type Stamp struct {
	ino     uint64
	changed int64 // nanoseconds
}

// grain is more than what lies between two times that a filesystem can give.
const grain = 50 * time.Millisecond

// StampOf looks at a directory. One that changed too short a time ago to tell the next
// change from the last has no stamp, and neither has one that is not there.
func StampOf(dir string) Stamp {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return Stamp{} // which reading it will tell
	}
	changed := max(st.Mtim.Nano(), st.Ctim.Nano())
	if time.Since(time.Unix(0, changed)) < grain {
		return Stamp{}
	}
	return Stamp{st.Ino, changed}
}
