// Package plan compiles a runtime spec to the list of system calls that make the
// container. It is pure: data in, data out.
package plan
