package runspec

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/record"
)

// specVersion is the oldest that holds everything used here: runtimes refuse
// versions newer than they know.
const specVersion = "1.0.2"

// Assemble makes the runtime spec of a container. hostName is the machine's
// name, for containers that share its network. The seccomp profile is not in
// it: which one applies depends on the kernel, see package engine. Options
// that cannot be right are errdefs.ErrInvalid.
func Assemble(img ocispec.ImageConfig, o Options, f Facts, hostName string) (*specs.Spec, error) {
	hostname := Hostname(o, f.ID, hostName)
	own := hostname
	if o.Shared.UTS == record.Host {
		own = ""
	}
	proc, err := process(img, o, f, hostname)
	if err != nil {
		return nil, err
	}
	mnts, err := mounts(o, f)
	if err != nil {
		return nil, err
	}
	l, err := linux(o, f)
	if err != nil {
		return nil, err
	}
	l.RootfsPropagation = rootPropagation(f.Binds)
	return &specs.Spec{
		Version:  specVersion,
		Root:     &specs.Root{Path: "rootfs", Readonly: o.ReadOnly},
		Process:  proc,
		Hostname: own, Domainname: o.Domainname,
		Mounts: mnts,
		Linux:  l,

		Annotations: o.Annotations,
	}, nil
}
