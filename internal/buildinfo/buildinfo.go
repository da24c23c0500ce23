// Package buildinfo says which version of cove this binary is.
package buildinfo

// version is set by the linker; see the Makefile.
var version = "unknown"

// Version returns the version, as git describes the tree it was built from.
func Version() string { return version }
