package sandbox

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox/check"
)

// SharedRoot is the root of a container that has no mount namespace of its own:
// mounted over itself in the host's, or in one that the container joined. It
// does not go with the container, so whoever removes that unmounts it.
type SharedRoot struct {
	// Namespace is the path of the mount namespace, empty for the caller's.
	Namespace string `json:"namespace,omitempty"`
	// Path is where the root is mounted there.
	Path string `json:"path"`
	// Mount is the id of the mount, 0 before it is known.
	Mount uint64 `json:"mount"`
}

// FindSharedRoot returns the root that the created container of spec shares;
// nil if it has a mount namespace of its own.
func FindSharedRoot(spec *specs.Spec) (*SharedRoot, error) {
	if check.Makes(spec, specs.MountNamespace) {
		return nil, nil
	}
	r := &SharedRoot{Path: spec.Root.Path}
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.MountNamespace {
			r.Namespace = ns.Path
		}
	}
	err := r.within(func() (err error) {
		r.Mount, err = mountAt(r.Path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: the root %s: %w", r.Path, err)
	}
	return r, nil
}

// Unmount undoes the mount with all that is below it, unless something else is
// there by now.
func (r *SharedRoot) Unmount() error {
	if r == nil {
		return nil
	}
	err := r.within(func() error {
		if id, err := mountAt(r.Path); err != nil || id != r.Mount {
			return err
		}
		return unix.Unmount(r.Path, unix.MNT_DETACH)
	})
	if errors.Is(err, unix.ENOENT) {
		return nil // the namespace, or the directory, is gone
	}
	if err != nil {
		return fmt.Errorf("sandbox: unmounting the root %s: %w", r.Path, err)
	}
	return nil
}

// undo unmounts what a creation that failed has put over what r found before it.
func (r *SharedRoot) undo(spec *specs.Spec) error {
	if r == nil {
		return nil
	}
	now, err := FindSharedRoot(spec)
	if err != nil || now.Mount == r.Mount {
		return err
	}
	return now.Unmount()
}

// mountAt is the id of the mount that a path leads to.
func mountAt(path string) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st); err != nil {
		return 0, err
	}
	return st.Mnt_id, nil
}

// within calls fn on a thread in the mount namespace, which is used for nothing
// else after that.
func (r *SharedRoot) within(fn func() error) (err error) {
	if r.Namespace == "" {
		return fn()
	}
	ns, err := unix.Open(r.Namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	mount.OnOwnThread(func() {
		// A thread that shares its root with others cannot change its namespace.
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Setns(ns, unix.CLONE_NEWNS); err == nil {
			err = fn()
		}
	})
	return err
}
