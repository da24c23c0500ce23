package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/engine/containers"
	"cove/engine/rootfs"
	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/apparmor"
)

// Bundle writes an OCI bundle of the container that Run would make: config.json, and
// the image's files in rootfs, so that any OCI runtime runs it. A bundle that is there
// already is errdefs.ErrExists.
func (e *Engine) Bundle(ctx context.Context, o containers.CreateOptions, dir string) error {
	return e.Imagine(ctx, o, func(cfg record.Config) error {
		for _, m := range cfg.Mounts {
			if m.Fresh || m.Type == record.MountImage && m.Subpath != "" {
				return errdefs.Errorf(errdefs.ErrUnsupported,
					"bundle %s: the mount at %s is made when a container starts here; other runtimes cannot", dir, m.Target)
			}
		}
		root := filepath.Join(dir, "rootfs")
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = os.Mkdir(root, 0o755)
		}
		if errors.Is(err, fs.ErrExist) {
			return errdefs.Errorf(errdefs.ErrExists, "bundle %s: there is a rootfs in it already", dir)
		}
		if err == nil {
			err = unpackRoot(ctx, cfg, root)
		}
		if err != nil {
			return fmt.Errorf("bundle %s: %w", dir, err)
		}
		return writeSpec(cfg, filepath.Join(dir, "config.json"))
	})
}

func unpackRoot(ctx context.Context, cfg record.Config, dir string) error {
	fd, err := rootfs.Open(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, w := io.Pipe()
	defer r.Close()
	go func() {
		w.CloseWithError(rootfs.With(ctx, cfg.Root, func(from int) error {
			src, err := rootfs.Find(ctx, rootfs.Root{FD: from}, "/", false, nil)
			if err != nil {
				return err
			}
			defer src.Close()
			return src.Pack(ctx, w)
		}))
	}()
	return rootfs.Extract(ctx, rootfs.Root{FD: fd}, "/", r, rootfs.ExtractOptions{})
}

func writeSpec(cfg record.Config, name string) error {
	spec := *cfg.Spec
	root := specs.Root{Path: "rootfs"}
	if spec.Root != nil {
		root.Readonly = spec.Root.Readonly
	}
	spec.Root = &root
	process := *spec.Process
	process.Terminal = cfg.Terminal
	if process.ApparmorProfile == apparmor.Default {
		process.ApparmorProfile = "" // another runtime does not load it
	}
	spec.Process = &process
	if spec.Hostname == "" {
		spec.Hostname = cfg.Network.Hostname
	}
	data, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}
