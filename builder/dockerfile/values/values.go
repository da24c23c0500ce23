// Package values reads the words that instructions are given: owners, signals, sources,
// platforms and mounts. It refuses those that can mean nothing on any system.
package values

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/moby/sys/signal"

	"cove/errdefs"
)

// maxSignal is the last signal of Linux, SIGRTMAX.
const maxSignal = 64

// CheckSignal refuses what is no signal of Linux.
func CheckSignal(word string) error {
	s, err := signal.ParseSignal(word)
	if err != nil || s < 1 || s > maxSignal {
		return invalid("%q is no signal: use a name such as SIGQUIT or a number from 1 to %d", word, maxSignal)
	}
	return nil
}

// CheckOwner refuses a "user[:group]" that can name nobody, on any system: who
// there is becomes known only when the filesystem is. "" is accepted, as docker
// does: it means root.
func CheckOwner(what, word string) error {
	if word == "" {
		return nil
	}
	names := strings.Split(word, ":")
	if len(names) > 2 || strings.Join(names, "") == "" {
		return invalid("%s%q: want USER, UID, USER:GROUP or UID:GID", what, word)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "-") || strings.ContainsFunc(name, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' || r == ','
		}) {
			return invalid("%s%q: %q is not the name of a user or group", what, word, name)
		}
		// The highest number means "no change" to the kernel.
		if digits(name) {
			if n, err := strconv.ParseUint(name, 10, 32); err != nil || n == math.MaxUint32 {
				return invalid("%s%q: an id is between 0 and %d", what, word, uint32(math.MaxUint32-1))
			}
		}
	}
	return nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
