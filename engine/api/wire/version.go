// Package wire is how docker's API says things: versions, JSON, errors, filters,
// parameters and the frames of streams.
package wire

import (
	"strconv"
	"strings"

	"cove/engine/dockertypes"
)

// Version is one of the API, as 1.51.
type Version struct{ major, minor int }

// Oldest and Newest are what is served.
var (
	Oldest = mustVersion(dockertypes.MinAPIVersion)
	Newest = mustVersion(dockertypes.APIVersion)
)

// V is version 1.minor.
func V(minor int) Version { return Version{1, minor} }

func mustVersion(text string) Version {
	v, _ := ParseVersion(text)
	return v
}

// ParseVersion reads MAJOR.MINOR.
func ParseVersion(text string) (Version, bool) {
	a, b, _ := strings.Cut(text, ".")
	major, err := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return Version{major, minor}, err == nil && err2 == nil && major >= 0 && minor >= 0
}

// Before reports whether v is older than w.
func (v Version) Before(w Version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

// String is MAJOR.MINOR.
func (v Version) String() string { return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }
