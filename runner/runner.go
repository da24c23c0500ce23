// Package runner runs containers: one ordinary process each, isolated by a
// compiled list of system calls, under a small monitor that is its parent.
package runner
