package frontend

import (
	"strings"

	"cove/engine/api/buildkit/peer"
	"cove/engine/builds"
	"cove/errdefs"
)

// NoDirectory refuses a context that is a path: the builder would open it on its own
// machine, whoever asks.
func NoDirectory(dir string) error {
	if peer.IsUpload(dir) || builds.Elsewhere(dir) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid,
		"the context %q is neither a URL nor a git repository: files of the client are sent, not named", dir)
}

// Reach is what of a build reaches beyond its own containers, "" for none: whoever may
// do that is root on this machine, or near it.
func Reach(o builds.Options) string {
	switch {
	case len(o.Allow) > 0:
		return "a build with " + strings.Join(o.Allow, ", ")
	case o.Network != "" && o.Network != "none" && o.Network != "default":
		return "a build on the network " + o.Network
	case o.CgroupParent != "":
		return "a build in the cgroup " + o.CgroupParent
	}
	return ""
}
