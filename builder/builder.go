// Package builder turns a Dockerfile and a context into an OCI image.
//
// builder/dockerfile parses (BuildKit's own parser) into a plan, a graph of
// vertices with content-addressed keys; builder/solve executes the plan;
// builder/export writes config and manifest. How a container is made and where
// base images come from is wired in from above, through the two contracts in
// this file.
package builder

import (
	"context"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/layers"
	"cove/layers/mount"
)

// Base is an image to build on.
type Base struct {
	// Name is the canonical reference, Manifest what it resolved to.
	Name     string
	Manifest ocispec.Descriptor
	Config   ocispec.Image
	// RawConfig are the bytes that Config was decoded from; fields that the
	// OCI struct lacks (Healthcheck, OnBuild, Shell) are read from them.
	RawConfig []byte
	Layers    []layers.Layer
}

// Resolver finds the image of a FROM or of COPY --from. Only the manifest and
// config must be local afterwards; a layer is fetched by Unpack.
type Resolver interface {
	Resolve(ctx context.Context, name string, platform ocispec.Platform) (Base, error)
	// Unpack makes sure that the base's layers are committed snapshots, named
	// by their chainIDs, and that their blobs are in the content store.
	Unpack(ctx context.Context, base Base) error
}

// ExecRequest is one RUN.
type ExecRequest struct {
	// ID is unique and readable; it names the container in errors.
	ID   string
	Root mount.Mount
	Args []string
	Env  []string
	Cwd  string
	User string // as in USER; resolved in the root's own /etc/passwd
	// Mounts are added over the root in order.
	Mounts  []ExecMount
	Network string // "default", "none" or "host"
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// ExecMount is one extra mount of a RUN: Mount's root at Target.
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
