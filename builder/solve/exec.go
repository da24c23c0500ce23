package solve

import (
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/layers/mount"
)

// ExecRequest is one RUN.
type ExecRequest struct {
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
	Mounts  []ExecMount
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

// ExecMount is one extra mount of a RUN: Mount's root at Target. Beside the
// types of mount.Mount it may be "tmpfs", with Options such as "size=1048576".
// A bind's Source may be a single file, and may lie below /proc/self/fd: the
// executor opens it in this process.
type ExecMount struct {
	Target string
	Mount  mount.Mount
}

// Executor runs a command on a root filesystem, isolated, and waits for it. A
// program that ran and failed is an *ExitError.
type Executor interface {
	Exec(ctx context.Context, r ExecRequest) error
}

// ExitError is a RUN whose program ended with a code other than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }

// Unpacker fetches and unpacks base images, when a vertex needs their files.
type Unpacker interface {
	// Unpack makes sure that the base's layers are committed snapshots, named
	// by their chainIDs, and that their blobs are in the content store.
	Unpack(ctx context.Context, base plan.Base) error
	// Fetch makes sure of the blobs alone: an image on the base needs them even
	// where no vertex needs its files.
	Fetch(ctx context.Context, base plan.Base) error
}
