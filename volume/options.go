package volume

import (
	"maps"
	"slices"
	"strings"

	"cove/errdefs"
)

// The options of the driver local, in docker's words: what is mounted at the volume's
// path while a container has it.
const (
	OptionType   = "type"   // of the filesystem; none is a bind
	OptionDevice = "device" // what is mounted
	OptionMount  = "o"      // options of mount(8)
)

// CheckOptions refuses options that the driver local does not have, or too few of
// them, with errdefs.ErrInvalid.
func CheckOptions(options map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains([]string{OptionType, OptionDevice, OptionMount}, key) {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid option: %q; there are type, device and o", key)
		}
	}
	for _, key := range []string{OptionDevice, OptionType} {
		if len(options) > 0 && options[key] == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "missing required option: %q", key)
		}
	}
	binds := slices.ContainsFunc(strings.Split(options[OptionMount], ","), func(o string) bool {
		return o == "bind" || o == "rbind"
	})
	if options[OptionType] == "none" && !binds {
		return errdefs.Errorf(errdefs.ErrInvalid, "option type=none is for o=bind, with the path as device")
	}
	return nil
}
