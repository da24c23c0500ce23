// Package command is what RUN executes: the request to whoever runs it, its mounts that
// need no other step's files, and how it failed.
package command

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/builder/plan"
	"cove/builder/secret"
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
	// Devices are made and mounted as their vendors say.
	Devices []plan.Device
	Stdin   io.Reader
	// Stdout and Stderr may be one writer, which then is given what is written to either
	// in the order in which it was written.
	Stdout io.Writer
	Stderr io.Writer
	// Terminal gives the command one of its own, with what it writes at Stdout alone;
	// Sizes delivers the size that it is to have, at first and whenever that changes.
	Terminal bool
	Sizes    <-chan unix.Winsize
}

// RequestOf is the request for a RUN, but for its streams and mounts.
func RequestOf(op *plan.Run, root mount.Mount) Request {
	return Request{
		ID:   "build-" + strings.ToLower(rand.Text()[:12]),
		Root: root, Args: op.Args, Env: slices.Concat(op.Env, op.ProxyEnv), Cwd: op.Cwd, User: op.User,
		Network: op.Network, Insecure: op.Insecure,
		Platform: op.Platform, Hosts: op.Hosts, Devices: op.Devices,
		Stdin: strings.NewReader(""),
	}
}

// Failed is a RUN whose command failed, while all that it had is still there.
type Failed struct {
	// Request was executed. Its environment and mounts may have secrets.
	Request Request
	Op      *plan.Run
	Vertex  *plan.Vertex
	// Base is the image that its stage began from, nil for scratch.
	Base *plan.Base
	Err  error
	// Secrets are those of the build, which nothing that is kept may hold.
	Secrets secret.Set
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
