// Package ids makes the names of things that nobody named, says which names
// people may give, and tells this boot of the machine from the others.
package ids

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"sync"
)

// New returns the ID of a container, a network, an exec or an anonymous volume:
// 64 hex digits, as docker's are.
func New() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// Valid reports whether id is a whole ID, as [New] makes them.
func Valid(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 64
}

// Short returns the twelve digits of an ID that tables show.
func Short(id string) string { return id[:min(12, len(id))] }

// Unique returns a name for something that lives briefly and is looked up by no
// one: kind, a slash, and 130 random bits in capitals and digits.
func Unique(kind string) string { return kind + "/" + rand.Text() }

// Boot identifies this boot of the machine (random(4), boot_id). What was not
// synced survives a kill, but not the next boot. It is "" where the kernel does
// not tell.
func Boot() string { return boot() }

var boot = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})
