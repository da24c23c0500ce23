// Package sandbox executes a plan: it starts the tiny static program that makes
// the plan's system calls and becomes the container's process.
package sandbox
