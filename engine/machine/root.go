package machine

import (
	"os"

	"cove/errdefs"
)

// NeedRoot explains itself before the kernel says only EPERM.
func NeedRoot(what string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrDenied,
		"%s needs root: mounts, namespaces and cgroups are made (this is uid %d); run it with sudo", what, os.Geteuid())
}
