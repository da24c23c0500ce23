// Package command is what RUN executes: the request to whoever runs it, its mounts that
// need no other step's files, and how it failed.
package command

import (
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/layers/mount"
)

// Request is one RUN.
type Request struct {
	// ID is unique and readable; it names the container in errors.
	ID   string
	Root mount.Mount
	Args []string
	Env  []string
	Cwd  string
	User string // as in USER; resolved in the root's own /etc/passwd
	// Mounts are added over the root in order. Missing mountpoints are made
	// by the executor; the solver removes them again from the layer, as it
	// does for /dev, /proc, /sys and /etc/{hosts,hostname,resolv.conf}.
	Mounts  []Mount
	Network string // "default", "none" or "host"
	// Platform is that of the root's programs; Hosts are more names in its
	// /etc/hosts.
	Platform ocispec.Platform
	Hosts    []plan.Host
	// Insecure runs with every capability and no seccomp profile.
	Insecure bool
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
}

// Mount is one extra mount of a RUN: Mount's root at Target. Beside the
// types of mount.Mount it may be "tmpfs", with Options such as "size=1048576".
// A bind's Source may be a single file, and may lie below /proc/self/fd: the
// executor opens it in this process.
type Mount struct {
	Target string
	Mount  mount.Mount
}

// Executor runs a command on a root filesystem, isolated, and waits for it. A
// program that ran and failed is an *ExitError. What it makes in the root to mount
// something there is gone again when Exec returns: it is no work of the command.
type Executor interface {
	Exec(ctx context.Context, r Request) error
}

// ExitError is a RUN whose program ended with a code other than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }
