package syntax

import (
	"bytes"
	"strconv"
	"time"

	"cove/builder/plan"
)

// EpochArg is the argument that says which time files and images have
// (reproducible-builds.org/specs/source-date-epoch).
const EpochArg = "SOURCE_DATE_EPOCH"

// ParseEpoch reads a value of EpochArg; "" is none.
func ParseEpoch(value string) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, invalid("%s=%s is not a number of seconds", EpochArg, value)
	}
	t := time.Unix(sec, 0).UTC()
	return &t, nil
}

// DefaultEpoch is what a Dockerfile itself says before its first FROM, nil for nothing. A
// file that cannot be read says nothing: whoever plans it says why.
func DefaultEpoch(name string, text []byte) (*time.Time, error) {
	if !bytes.Contains(text, []byte(EpochArg)) {
		return nil, nil
	}
	source := NewSource(name, text)
	f, err := source.Parse(nil)
	if err != nil {
		return nil, nil //nolint:nilerr // said later, with all that is wrong
	}
	for _, cmd := range f.Global {
		for _, arg := range cmd.Args {
			if arg.Key != EpochArg || arg.Value == nil {
				continue
			}
			t, err := ParseEpoch(arg.ValueString())
			if err != nil {
				at := cmd.Location()
				return nil, plan.At(source.Range(at, Written(&cmd)), err)
			}
			return t, nil
		}
	}
	return nil, nil
}
