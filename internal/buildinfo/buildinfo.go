// Package buildinfo says which version of cove this binary is.
package buildinfo

import (
	"runtime/debug"
	"strings"
)

// version is set by the linker; see the Makefile.
var version = "unknown"

// Version returns the version, as git describes the tree it was built from.
func Version() string { return version }

// Number returns the version as docker's clients read it, who take the numbers out of it.
func Number() string { return number(version) }

// number puts a version that begins with none, as that of a build between releases,
// behind 0.0.0.
func number(version string) string {
	short := strings.TrimPrefix(version, "v")
	if short == "" || short[0] < '0' || short[0] > '9' || !strings.Contains(short, ".") {
		return "0.0.0+" + version
	}
	return short
}

// Commit returns the beginning of the commit that it was built from, or unknown.
func Commit() string {
	if c := setting("vcs.revision"); c != "" {
		return c[:min(7, len(c))]
	}
	return "unknown"
}

// Time returns when that commit was made, or "".
func Time() string { return setting("vcs.time") }

// setting is one of what the compiler noted; reading them takes a while.
func setting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
