package solve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"cove/builder/cachemount"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// mountAll adds the mounts of a RUN to the request. Closing takes away what they
// needed.
func (s *solver) mountAll(ctx context.Context, t *task, op *plan.Run, req *ExecRequest) (*closers, error) {
	m := mounter{solver: s, task: t, req: req, opened: &closers{}}
	for _, rm := range op.Mounts {
		if err := m.mount(ctx, rm); err != nil {
			return nil, errors.Join(err, m.opened.Close())
		}
	}
	return m.opened, nil
}

// mounter makes the mounts of one RUN.
type mounter struct {
	*solver
	task   *task
	req    *ExecRequest
	opened *closers
}

func (m *mounter) add(target string, mt mount.Mount) {
	m.req.Mounts = append(m.req.Mounts, ExecMount{Target: target, Mount: mt})
}

func (m *mounter) mount(ctx context.Context, rm plan.RunMount) error {
	switch rm.Type {
	case "bind":
		return m.bind(ctx, rm)
	case "cache":
		return m.cache(ctx, rm)
	case "tmpfs":
		mt := mount.Mount{Type: "tmpfs", ReadOnly: rm.ReadOnly}
		if rm.Size > 0 {
			mt.Options = []string{"size=" + strconv.FormatInt(rm.Size, 10)}
		}
		m.add(rm.Target, mt)
		return nil
	case "file":
		return m.file(rm, []byte(rm.Data))
	case "secret":
		return m.secret(rm)
	case "ssh":
		return m.ssh(rm)
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "--mount=type=%s is not supported", rm.Type)
}

func (m *mounter) secret(rm plan.RunMount) error {
	value, ok := m.Secrets[rm.ID]
	switch {
	case !ok && rm.Required:
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound, "the secret %q is required", rm.ID),
			errdefs.GiveSecret, rm.ID)
	case !ok:
		return nil
	}
	if rm.Env != "" {
		m.req.Env = append(m.req.Env, rm.Env+"="+string(value))
	}
	if rm.Target == "" {
		return nil
	}
	return m.file(rm, value)
}

// file mounts one file with these bytes. It lies in memory where there is a place
// for that, since it may be a secret.
func (m *mounter) file(rm plan.RunMount, data []byte) error {
	dir, err := memoryDir(m.temp)
	if err != nil {
		return err
	}
	m.opened.add(func() error { return os.RemoveAll(dir) })
	f, err := os.CreateTemp(dir, "file-*")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(os.FileMode(rm.Mode&0o777)), f.Close())
	if err == nil && (rm.UID != 0 || rm.GID != 0) {
		err = os.Chown(f.Name(), int(rm.UID), int(rm.GID))
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	m.add(rm.Target, bindOf(f.Name()))
	return nil
}

// bindOf is a mount of one file, which cannot be written.
func bindOf(name string) mount.Mount { return mount.Mount{Type: "bind", Source: name, ReadOnly: true} }

// memoryDir makes a directory in memory, or by fallback where there is no place
// for that. The caller removes it.
func memoryDir(fallback func() (string, error)) (string, error) {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "cove-build-"); err == nil {
			return dir, nil
		}
	}
	return fallback()
}

// bind mounts a path of another vertex. What is written to it, if it may be, is
// gone after.
func (m *mounter) bind(ctx context.Context, rm plan.RunMount) error {
	var from *result
	if rm.From >= 0 {
		from = m.task.inputs[rm.From].res
	}
	real, err := m.find(ctx, from, rm.Source)
	if err != nil {
		return err
	}
	var shown mount.Mount
	if rm.ReadOnly && from != nil && from.chain != "" {
		if shown, err = m.Snapshots.Mounts(ctx, string(from.chain)); err != nil {
			return err
		}
	} else {
		snap, err := m.activate(ctx, from)
		if err != nil {
			return err
		}
		m.opened.add(snap.Close)
		shown = snap.Mount
	}
	mounted, err := overlay.Open(ctx, shown)
	if err != nil {
		return err
	}
	m.opened.add(mounted.Close)
	// real has no symbolic link, and nobody else writes to the snapshot.
	m.add(rm.Target, mount.Mount{Type: "bind", Source: filepath.Join(mounted.Dir(), real), ReadOnly: rm.ReadOnly})
	return nil
}

// find resolves the source of a bind in what it is mounted from.
func (m *mounter) find(ctx context.Context, from *result, source string) (real string, err error) {
	if source == "" {
		return "", nil
	}
	root, err := m.open(ctx, from)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if root.Tree == nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "--mount: %q is not in scratch, which is empty", source)
	}
	real, e, err := root.Resolve(source)
	if err == nil && e == nil {
		err = errdefs.Errorf(errdefs.ErrNotFound, "--mount: %q is not in what is mounted", source)
	}
	return real, err
}

// cache mounts a directory that survives builds, locked as its sharing says.
func (m *mounter) cache(ctx context.Context, rm plan.RunMount) error {
	dir, err := cachemount.Open(ctx, m.State, cachemount.Options{
		ID: rm.ID, Sharing: rm.Sharing, Mode: rm.Mode, UID: rm.UID, GID: rm.GID,
		Seed: func(dir string) error {
			if rm.From < 0 {
				return nil
			}
			return m.seedCache(ctx, m.task.inputs[rm.From].res, rm, dir)
		},
	})
	if err != nil {
		return err
	}
	m.opened.add(dir.Close)
	m.add(rm.Target, mount.Mount{Type: "bind", Source: dir.Files, ReadOnly: rm.ReadOnly})
	return nil
}
