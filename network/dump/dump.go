// Package dump reads lists of the kernel's whole: of links, addresses and routes.
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// attempts are how often a list is read before the last answer counts, which is then
// whole but for what changed meanwhile.
const attempts = 20

// Whole reads a list again when something in it changed while it was read
// (NLM_F_DUMP_INTR): on a busy machine interfaces come and go all the time. What has
// changed each time is returned as it was read last.
func Whole[T any](read func() ([]T, error)) (all []T, err error) {
	for range attempts {
		if all, err = read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}
