package solve

import (
	"context"
	"errors"
	"path/filepath"

	"cove/builder/cachemount"
	"cove/builder/command"
	"cove/builder/copier"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// mountAll adds the mounts of a RUN to the request. Closing takes away what they
// needed.
func (s *solver) mountAll(
	ctx context.Context, t *task, op *plan.Run, req *command.Request,
) (*command.Closers, error) {
	m := mounter{solver: s, task: t, Mounts: command.Mounts{
		Request: req, Secrets: s.Secrets, SSH: s.SSH, Temp: s.temp,
	}}
	for _, rm := range op.Mounts {
		if err := m.mount(ctx, rm); err != nil {
			return nil, errors.Join(err, m.Opened.Close())
		}
	}
	return &m.Opened, nil
}

// mounter makes the mounts of one RUN: those of other steps' files itself.
type mounter struct {
	command.Mounts
	solver *solver
	task   *task
}

func (m *mounter) mount(ctx context.Context, rm plan.RunMount) error {
	switch rm.Type {
	case "bind":
		return m.bind(ctx, rm)
	case "cache":
		return m.cache(ctx, rm)
	}
	return m.Add(rm)
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
		if shown, err = m.solver.Snapshots.Mounts(ctx, string(from.chain)); err != nil {
			return err
		}
	} else {
		snap, err := m.solver.activate(ctx, from)
		if err != nil {
			return err
		}
		m.Opened.Add(snap.Close)
		shown = snap.Mount
	}
	mounted, err := overlay.Open(ctx, shown)
	if err != nil {
		return err
	}
	m.Opened.Add(mounted.Close)
	// real has no symbolic link, and nobody else writes to the snapshot.
	m.Mount(rm.Target, mount.Mount{Type: "bind", Source: filepath.Join(mounted.Dir(), real), ReadOnly: rm.ReadOnly})
	return nil
}

// find resolves the source of a bind in what it is mounted from.
func (m *mounter) find(ctx context.Context, from *result, source string) (real string, err error) {
	if source == "" {
		return "", nil
	}
	root, err := m.solver.open(ctx, from)
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
	dir, err := cachemount.Open(ctx, m.solver.State, cachemount.Options{
		ID: m.solver.Remote.MountID(rm.ID), Sharing: rm.Sharing, Mode: rm.Mode, UID: rm.UID, GID: rm.GID,
		Seed: func(dir string) error {
			if seeded, err := m.solver.Remote.SeedMount(ctx, rm.ID, dir); seeded || err != nil || rm.From < 0 {
				return err
			}
			return m.solver.seed(ctx, m.task.inputs[rm.From].res, rm.Source, dir)
		},
	})
	if err != nil {
		return err
	}
	m.Opened.Add(dir.Close)
	m.Mount(rm.Target, mount.Mount{Type: "bind", Source: dir.Files, ReadOnly: rm.ReadOnly})
	return nil
}

// seed copies what a new cache mount begins with into its directory.
func (s *solver) seed(ctx context.Context, from *result, path, dir string) error {
	root, err := s.open(ctx, from)
	if err != nil {
		return err
	}
	defer root.Close()
	return copier.Seed(ctx, root.Tree, path, dir, copier.Target{Epoch: s.Epoch, Now: s.Now()})
}
