package sandbox

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// owners is what a program in a user namespace has asked its parent to map: the owners that a
// mount shows which the program has copied of its own mounts.
type owners struct {
	// namespaces are the files of the plan, among them those to map by.
	namespaces []int
	// step and fd are the plan's and the mount's in the program, of one that waits; fd is zero
	// without.
	step, fd int
}

// mapsOwners reports whether a program will ask for that.
func mapsOwners(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.MapOwners })
}

// forks reports whether the process that takes a step is one that the program has forked.
func forks(p *plan.Plan, step int) bool {
	return slices.ContainsFunc(p.Steps[:min(step, len(p.Steps))], func(s plan.Step) bool { return s.Op == plan.Fork })
}

// mapPending maps what process pid waits for, if it waits, and lets it go on. If that fails
// the process ends, as it would if it had failed to.
func (c *control) mapPending(p *plan.Plan, pid int) error {
	o := &c.owners
	if o.fd == 0 {
		return nil
	}
	child, err := openChild(pid)
	if err != nil {
		return err
	}
	defer unix.Close(child)
	if err = o.mapOne(p, child); err == nil {
		err = c.release()
	}
	o.fd = 0
	if err != nil {
		_ = unix.PidfdSendSignal(child, unix.SIGKILL, nil, 0) // fails if it has ended
	}
	return err
}

func (o *owners) mapOne(p *plan.Plan, child int) error {
	if o.step >= len(p.Steps) || p.Steps[o.step].Op != plan.MapOwners {
		return errdefs.Errorf(errdefs.ErrCorrupt, "sandbox: status pipe: step %d maps no owners", o.step)
	}
	s := &p.Steps[o.step]
	namespace := s.Args[1].Num
	if namespace >= uint64(len(o.namespaces)) {
		return errdefs.Errorf(errdefs.ErrCorrupt, "sandbox: %s: no namespace to map owners by", s.Why)
	}
	tree, err := unix.PidfdGetfd(child, o.fd, 0)
	if err != nil {
		return fmt.Errorf("sandbox: %s: taking the mount from its program: %w", s.Why, err)
	}
	defer unix.Close(tree)
	flags := uint(unix.AT_EMPTY_PATH)
	if s.Deep {
		flags |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(o.namespaces[namespace])}
	if err := unix.MountSetattr(tree, "", flags, &attr); err != nil {
		return errdefs.Errorf(host.ErrKind(err), "sandbox: %s: mapping its owners: mount_setattr: %w", s.Why, err)
	}
	return nil
}
