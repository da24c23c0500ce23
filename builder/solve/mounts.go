package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"cove/builder/buildctx"
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
				return errdefs.Errorf(errdefs.ErrNotFound, "the secret %q is required: give it with --secret id=%s,src=FILE", m.ID, m.ID)
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
	sum := sha256.Sum256([]byte(m.ID))
	base := filepath.Join(s.State, "mounts", hex.EncodeToString(sum[:16]))
	dir, unlock, err := lockCache(ctx, base, m.Sharing)
	if err != nil {
		return err
	}
	defer unlock()
	files := filepath.Join(dir, "files")
	if _, err := os.Lstat(files); errors.Is(err, os.ErrNotExist) {
		if err := s.fillCache(ctx, t, m, dir, files); err != nil {
			return err
		}
	}
	mt := mount.Mount{Type: "bind", Source: files, ReadOnly: m.ReadOnly}
	req.Mounts = append(req.Mounts, ExecMount{Target: m.Target, Mount: mt})
	return fn()
}

// lockCache takes the lock of a cache mount: shared is shared, locked waits for
// its turn, private takes the first directory of its own that is free.
func lockCache(ctx context.Context, base, sharing string) (dir string, unlock func(), err error) {
	for n := 0; ; n++ {
		dir = base
		if n > 0 {
			dir = base + "." + strconv.Itoa(n)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
		}
		how := unix.LOCK_EX
		if sharing == "shared" {
			how = unix.LOCK_SH
		}
		if sharing == "private" {
			err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
			if errors.Is(err, unix.EWOULDBLOCK) {
				f.Close()
				continue
			}
		} else {
			err = waitLock(ctx, f, how)
		}
		if err != nil {
			f.Close()
			return "", nil, err
		}
		return dir, func() { f.Close() }, nil
	}
}

// waitLock takes a lock, giving up when ctx ends.
func waitLock(ctx context.Context, f *os.File, how int) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// fillCache makes the directory of a cache mount, with what it begins with.
func (s *solver) fillCache(ctx context.Context, t *task, m plan.RunMount, dir, files string) error {
	temp, err := os.MkdirTemp(dir, "new-*")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	defer os.RemoveAll(temp)
	if m.From >= 0 {
		if err := s.seedCache(ctx, t.inputs[m.From].res, m, temp); err != nil {
			return err
		}
	}
	err = errors.Join(os.Chown(temp, int(m.UID), int(m.GID)), os.Chmod(temp, os.FileMode(m.Mode&0o777)|sticky(m.Mode)))
	if err == nil {
		// Another build that shares the mount may have been first, and may be
		// using it: nothing replaces a directory that is there.
		err = unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, files, unix.RENAME_NOREPLACE)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	return nil
}

func sticky(mode uint32) os.FileMode {
	if mode&0o1000 != 0 {
		return os.ModeSticky
	}
	return 0
}

// PruneMounts empties the cache mounts that no build uses.
func PruneMounts(state string) error {
	locks, err := filepath.Glob(filepath.Join(state, "mounts", "*", "lock"))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "build: cache mounts: %w", err)
	}
	var errs []error
	for _, name := range locks {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(name), "files")))
		}
		f.Close()
	}
	return errors.Join(errs...)
}
