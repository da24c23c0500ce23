package plan

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/host"
)

// Compile writes down the system calls that make the container of spec on a
// host with features h. It asks nothing of the machine itself.
//
// What spec wants and the plan cannot express is an error: ErrInvalid if it
// cannot be right anywhere, ErrUnsupported if this host or cove lacks it.
func Compile(spec *specs.Spec, h host.Features) (*Plan, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "plan: not compiled yet")
}

// CompileExec writes down the calls that run proc inside the running container
// of spec.
func CompileExec(spec *specs.Spec, proc *specs.Process, h host.Features) (*Plan, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "plan: not compiled yet")
}
