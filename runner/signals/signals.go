// Package signals reads signals as people write them.
package signals

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Parse reads a signal as people write it: 9, KILL, SIGKILL, sigkill,
// RTMIN+1. Empty is SIGTERM.
func Parse(text string) (syscall.Signal, error) {
	if text == "" {
		return unix.SIGTERM, nil
	}
	invalid := errdefs.Errorf(errdefs.ErrInvalid, "invalid signal: %s; give a name as TERM or a number from 1 to 64",
		text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return 0, invalid
		}
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for base, at := range map[string]int{"RTMIN": 34, "RTMAX": 64} {
		if offset, ok := strings.CutPrefix(name, base); ok {
			n := 0
			if offset != "" {
				var err error
				if n, err = strconv.Atoi(offset); err != nil {
					return 0, invalid
				}
			}
			if at+n < 34 || at+n > 64 {
				return 0, invalid
			}
			return syscall.Signal(at + n), nil
		}
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	return 0, invalid
}
