// Package foreign starts containers under an OCI runtime that is not cove's own, as runc
// or crun, by the command line that those have in common (create, start, exec, delete).
//
// The bundle's root is mounted in a mount namespace that ends with the runtime's create,
// so that nothing is mounted on the host here, too. The container's processes become
// children of the caller, which is their subreaper (prctl(2)): it waits for them as for
// its own. What differs: they do not die with it.
package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/record"
	"cove/sandbox"
	"cove/sandbox/files"
)

// Container is one under another runtime.
type Container struct {
	runtime record.Runtime
	id, dir string
}

// Streams are what a process is given; with a terminal they are ignored.
type Streams struct {
	Stdin, Stdout, Stderr *os.File
	Terminal              bool
	Size                  unix.Winsize // of the terminal
}

// Request is a container to be created.
type Request struct {
	Runtime record.Runtime
	ID      string
	// Dir is for bundle and state, and removed with the container.
	Dir  string
	Spec *specs.Spec // not changed
	Root mount.Mount
	// Stacks are what mounts of Spec show that have these as their sources.
	Stacks map[string]files.Stack
	Streams
}

// The names in a container's directory.
const (
	rootName   = "rootfs"
	stateName  = "state"
	mountsName = "mounts"
	pidName    = "pid"
	logName    = "log"
)

// Create has the runtime create a container, whose process waits for Start. A runtime
// that refuses is a *record.StartError with what it said.
func Create(ctx context.Context, r Request) (*Container, *sandbox.Process, error) {
	c := &Container{runtime: r.Runtime, id: r.ID, dir: r.Dir}
	// Of one whose parent was killed the runtime may still know.
	if err := c.Delete(ctx); err != nil {
		return nil, nil, err
	}
	p, err := c.create(ctx, r)
	if err != nil {
		return nil, nil, errors.Join(err, c.Delete(context.WithoutCancel(ctx)))
	}
	return c, p, nil
}

func (c *Container) create(ctx context.Context, r Request) (*sandbox.Process, error) {
	for _, name := range []string{rootName, stateName, mountsName} {
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o711); err != nil {
			return nil, fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
		}
	}
	spec, mounts, err := c.bundle(r)
	defer closeAll(mounts)
	if err != nil {
		return nil, err
	}
	if err := c.writeJSON("config.json", spec); err != nil {
		return nil, err
	}
	return c.start(ctx, start{
		verb: "create", args: []string{"--bundle", c.dir}, streams: r.Streams, mounts: mounts,
		begin: func() error { return c.run(context.WithoutCancel(ctx), "start", c.id) },
	})
}

// mounted is a detached mount, and where it is to be attached.
type mounted struct {
	*os.File
	at string
}

func closeAll(all []mounted) {
	for _, m := range all {
		m.Close()
	}
}

// bundle is the spec as the runtime finds it, and what is mounted for it.
func (c *Container) bundle(r Request) (spec *specs.Spec, mounts []mounted, err error) {
	copied := *r.Spec
	spec = &copied
	spec.Root = &specs.Root{Path: filepath.Join(c.dir, rootName)}
	if r.Spec.Root != nil {
		spec.Root.Readonly = r.Spec.Root.Readonly
	}
	root, err := files.OpenRoot(r.Root)
	if err != nil {
		return nil, nil, err
	}
	mounts = append(mounts, mounted{root, spec.Root.Path})
	spec.Mounts = slices.Clone(spec.Mounts)
	for i, m := range spec.Mounts {
		if slices.Contains(m.Options, "rshared") || slices.Contains(m.Options, "shared") {
			return nil, mounts, errdefs.Errorf(errdefs.ErrUnsupported,
				"runtime %s: mount at %s: shared propagation reaches the host under cove's own runtime alone", c.runtime.Name,
				m.Destination)
		}
		if below, ok := strings.CutPrefix(m.Source, "/proc/self/"); ok {
			spec.Mounts[i].Source = fmt.Sprintf("/proc/%d/%s", os.Getpid(), below)
		}
		stack, ok := r.Stacks[m.Source]
		if !ok {
			continue
		}
		at := filepath.Join(c.dir, mountsName, strconv.Itoa(i))
		f, err := attachable(stack, at)
		if err != nil {
			return nil, mounts, err
		}
		mounts, spec.Mounts[i].Source = append(mounts, mounted{f, at}), at
	}
	return spec, mounts, nil
}

// attachable opens a stack and makes what it can be attached to: a directory or a file.
func attachable(stack files.Stack, at string) (*os.File, error) {
	f, err := files.OpenStack(stack)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = os.Mkdir(at, 0o711)
	} else if err == nil {
		err = os.WriteFile(at, nil, 0o600)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Exec runs one more process in the container.
func (c *Container) Exec(ctx context.Context, proc *specs.Process, s Streams) (*sandbox.Process, error) {
	f, err := os.CreateTemp(c.dir, "exec-")
	if err != nil {
		return nil, fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
	}
	f.Close()
	defer os.Remove(f.Name())
	if err := c.writeJSON(filepath.Base(f.Name()), proc); err != nil {
		return nil, err
	}
	return c.start(ctx, start{
		verb: "exec", args: []string{"--detach", "--process", f.Name()}, streams: s,
		name: filepath.Base(f.Name()) + ".",
	})
}

// Delete has the runtime forget the container, and ends what is left of it. One that is
// not there is deleted.
func (c *Container) Delete(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(c.dir, stateName, c.id)); err == nil {
		if err := c.run(ctx, "delete", "--force", c.id); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
	}
	return os.RemoveAll(c.dir)
}

func (c *Container) writeJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, name), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
	}
	return nil
}
