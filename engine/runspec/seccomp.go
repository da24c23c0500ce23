package runspec

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/record"
	"cove/sandbox/seccomp"
)

// SeccompProfile picks the filter: none for a privileged container, the user's
// profile, or docker's default for the capabilities that the container has.
func SeccompProfile(s record.Security, spec *specs.Spec) (*specs.LinuxSeccomp, error) {
	switch {
	case s.Seccomp == "unconfined", s.Privileged && s.Seccomp == "":
		return nil, nil
	case s.Seccomp == "":
		return seccomp.Default(spec.Process.Capabilities.Bounding)
	}
	profile, err := seccomp.Load([]byte(s.Seccomp), spec.Process.Capabilities.Bounding)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	return profile, nil
}
