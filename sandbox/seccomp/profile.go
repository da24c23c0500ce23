package seccomp

import (
	"fmt"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// Default returns docker's default profile for a process whose bounding set is
// capabilities ("CAP_CHOWN", …).
func Default(capabilities []string) (*specs.LinuxSeccomp, error) {
	p, err := seccomp.GetDefaultProfile(processWith(capabilities))
	if err != nil {
		return nil, fmt.Errorf("seccomp: default profile: %w", err)
	}
	return p, nil
}

// Load reads a profile in docker's JSON form, for a process whose bounding set
// is capabilities.
func Load(text []byte, capabilities []string) (*specs.LinuxSeccomp, error) {
	p, err := seccomp.LoadProfile(string(text), processWith(capabilities))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: the profile is not in docker's JSON form: %w", err)
	}
	return p, nil
}

func processWith(capabilities []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}}
}
