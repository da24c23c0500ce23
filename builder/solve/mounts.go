package solve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"cove/builder/buildctx"
	"cove/builder/cachemount"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// withMounts adds the mounts of a RUN to the request, calls fn, and takes away
// what they needed.
func (s *solver) withMounts(ctx context.Context, t *task, op *plan.Run, req *ExecRequest, fn func() error) error {
	return s.temp(func(dir string) error {
		var next func(ms []plan.RunMount) error
		next = func(ms []plan.RunMount) error {
			if len(ms) == 0 {
				return fn()
			}
			return s.withMount(ctx, t, ms[0], dir, req, func() error { return next(ms[1:]) })
		}
		return next(op.Mounts)
	})
}

func (s *solver) withMount(ctx context.Context, t *task, m plan.RunMount, temp string, req *ExecRequest, fn func() error) error {
	switch m.Type {
	case "bind":
		return s.withBind(ctx, t, m, req, fn)
	case "cache":
		return s.withCache(ctx, t, m, req, fn)
	case "tmpfs":
		em := ExecMount{Target: m.Target, Mount: mount.Mount{Type: "tmpfs", ReadOnly: m.ReadOnly}}
		if m.Size > 0 {
			em.Mount.Options = []string{"size=" + strconv.FormatInt(m.Size, 10)}
		}
		req.Mounts = append(req.Mounts, em)
		return fn()
	case "file":
		return withFile(temp, m, []byte(m.Data), req, fn)
	case "secret":
		value, ok := s.Secrets[m.ID]
		if !ok {
			if m.Required {
				return errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound,
					"the secret %q is required", m.ID), errdefs.GiveSecret, m.ID)
			}
			return fn()
		}
		if m.Env != "" {
			req.Env = append(req.Env, m.Env+"="+string(value))
		}
		if m.Target == "" {
			return fn()
		}
		return withFile(temp, m, value, req, fn)
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "--mount=type=%s is not supported", m.Type)
}

// withFile mounts one file with these bytes. It lies in memory where there is
// a place for that, since it may be a secret.
func withFile(temp string, m plan.RunMount, data []byte, req *ExecRequest, fn func() error) error {
	dir := temp
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		shm, err := os.MkdirTemp("/dev/shm", "cove-build-")
		if err == nil {
			dir = shm
			defer os.RemoveAll(shm)
		}
	}
	f, err := os.CreateTemp(dir, "file-*")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(os.FileMode(m.Mode&0o777)), f.Close())
	if err == nil && (m.UID != 0 || m.GID != 0) {
		err = os.Chown(f.Name(), int(m.UID), int(m.GID))
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	req.Mounts = append(req.Mounts, ExecMount{Target: m.Target, Mount: mount.Mount{Type: "bind", Source: f.Name(), ReadOnly: true}})
	return fn()
}

// withBind mounts a path of another vertex. What is written to it, if it may
// be, is gone after.
func (s *solver) withBind(ctx context.Context, t *task, m plan.RunMount, req *ExecRequest, fn func() error) error {
	var from *result
	if m.From >= 0 {
		from = t.inputs[m.From].res
	}
	return s.withTree(ctx, from, func(tree *buildctx.Tree) error {
		real := ""
		if m.Source != "" {
			if tree == nil {
				return errdefs.Errorf(errdefs.ErrNotFound, "--mount: %q is not in scratch, which is empty", m.Source)
			}
			path, e, err := tree.Resolve(m.Source)
			if err != nil {
				return err
			}
			if e == nil {
				return errdefs.Errorf(errdefs.ErrNotFound, "--mount: %q is not in what is mounted", m.Source)
			}
			real = path
		}
		// real has no symbolic link, and nobody else writes to the snapshot.
		add := func(mt mount.Mount) error {
			return overlay.With(ctx, mt, func(dir string) error {
				bind := mount.Mount{Type: "bind", Source: filepath.Join(dir, real), ReadOnly: m.ReadOnly}
				req.Mounts = append(req.Mounts, ExecMount{Target: m.Target, Mount: bind})
				return fn()
			})
		}
		if m.ReadOnly && from != nil && from.chain != "" {
			mt, err := s.Snapshots.Mounts(ctx, string(from.chain))
			if err != nil {
				return err
			}
			return add(mt)
		}
		return s.active(ctx, from, func(_ string, mt mount.Mount) error { return add(mt) })
	})
}

// withCache mounts a directory that survives builds, locked as its sharing says.
func (s *solver) withCache(ctx context.Context, t *task, m plan.RunMount, req *ExecRequest, fn func() error) error {
	dir, err := cachemount.Open(ctx, s.State, cachemount.Options{
		ID: m.ID, Sharing: m.Sharing, Mode: m.Mode, UID: m.UID, GID: m.GID,
		Seed: func(dir string) error {
			if m.From < 0 {
				return nil
			}
			return s.seedCache(ctx, t.inputs[m.From].res, m, dir)
		},
	})
	if err != nil {
		return err
	}
	defer dir.Close()
	mt := mount.Mount{Type: "bind", Source: dir.Files, ReadOnly: m.ReadOnly}
	req.Mounts = append(req.Mounts, ExecMount{Target: m.Target, Mount: mt})
	return fn()
}
