package sandbox

import (
	"context"
	"errors"
	"os"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/agent"
	"cove/sandbox/cgroup"
	"cove/sandbox/files"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// JoinRequest says what to run in a container that exists.
type JoinRequest struct {
	// Plan is from plan.CompileExec, Spec the container's.
	Plan *plan.Plan
	Spec *specs.Spec
	// Target is the pid of the container's first process, whose namespaces are
	// joined. PidFD, if not nil, is that process itself, and used instead:
	// joining fails when it has ended, whoever has its pid now.
	Target int
	PidFD  *os.File
	// The rest is as in Request.
	Stdin, Stdout, Stderr *os.File
	ConsoleSize           unix.Winsize
	ExtraFiles            []*os.File
	Cgroup                *cgroup.Group
	Filter                []unix.SockFilter
	// State is the container's, which the agent of its filter is told of.
	State specs.State
	// Detached lets the process survive its creator.
	Detached bool
	// IgnoreFrozen joins a group that is frozen, and waits until it is thawed;
	// otherwise that is ErrConflict.
	IgnoreFrozen bool
}

// Join makes a process inside a container, waiting before execve as Create does.
//
// No thread of the caller enters a namespace, and the process is visible in
// the container only once it has dropped everything it does not keep
// (CVE-2016-9962): see plan.CompileExec.
func Join(ctx context.Context, r JoinRequest) (*Process, error) {
	if r.Cgroup != nil && !r.IgnoreFrozen {
		if frozen, err := r.Cgroup.Frozen(); err == nil && frozen {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "sandbox: joining process %d: it is frozen", r.Target)
		}
	}
	p, err := r.join(ctx)
	if r.Cgroup != nil && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY)) {
		var moved bool
		if r.Cgroup, moved = r.Cgroup.Follow(r.Target); moved {
			return r.join(ctx)
		}
	}
	return p, err
}

func (r *JoinRequest) join(ctx context.Context) (*Process, error) {
	target := r.PidFD
	if target == nil {
		fd, err := unix.PidfdOpen(r.Target, 0)
		if err != nil {
			return nil, errdefs.Errorf(host.ErrKind(err), "sandbox: joining process %d: %w", r.Target, err)
		}
		target = os.NewFile(uintptr(fd), "pidfd")
		defer target.Close()
	}
	f, err := files.Open(r.Plan, files.Source{
		Cgroup: r.Cgroup, Size: r.ConsoleSize, Target: int(target.Fd()), TargetPid: r.Target,
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l := launch{
		plan: r.Plan, files: f, stdio: [3]*os.File{r.Stdin, r.Stdout, r.Stderr}, extra: r.ExtraFiles,
		filter: r.Filter, cgroupFD: f.CgroupFD, death: unix.SIGKILL,
	}
	if r.Detached {
		l.death = 0
	}
	if s := r.Spec.Linux.Seccomp; s != nil && r.Filter == nil {
		if l.filter, err = seccomp.Compile(s, runtime.GOARCH); err != nil {
			return nil, err
		}
	}
	l.uid = files.HostID(r.Spec.Linux.UIDMappings, r.Plan.UID)
	if l.control, err = pipeControl(); err != nil {
		return nil, err
	}
	l.control.agent = agent.New(r.Spec.Linux.Seccomp, r.State)
	return l.run(ctx)
}
