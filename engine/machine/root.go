package machine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"cove/internal/userdir"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/namespace"
	"cove/runner"
	"cove/sandbox/rootless"
)

// NeedRoot explains itself before the kernel says only EPERM.
func NeedRoot(what string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	why := BecomeRoot(context.Background(), func(string) {})
	return errdefs.Errorf(errdefs.ErrDenied,
		"%s needs root, or a user namespace (this is uid %d): %w", what, os.Geteuid(), why)
}

// NeedNetworks explains what needs bridges: in a user namespace there are none.
func NeedNetworks(what string) error {
	if err := NeedRoot(what); err != nil {
		return err
	}
	if !namespace.Ours() {
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s needs root: bridges are made in the host's network; "+
			"without root each container has a network of its own (bridge), or none, host or container:NAME", what)
	}
	return nil
}

// BecomeRoot executes this program again, with its arguments, in the user namespace of
// whoever is not root. It returns nil for root, and else only with the reason why it
// could not. tell is told what containers will not have.
func BecomeRoot(ctx context.Context, tell func(string)) error {
	if os.Geteuid() == 0 {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	env := append(os.Environ(), rootless.Variable+"="+strconv.Itoa(os.Getuid()))
	return rootless.Enter(ctx, rootless.Options{
		Dir: userRun(userRoot()), Path: path, Args: os.Args, Env: env,
		Note: func(why error) {
			tell(fmt.Sprintf("NOTE: containers have one user id, that of root inside, which is you outside: %v", why))
		},
	})
}

// Rootless is the uid of the ordinary user whose namespace this process is in.
func Rootless() (uid int, ok bool) { return rootless.UID() }

// SingleID reports that a user's namespace has root alone.
func SingleID() bool { return rootless.SingleID() }

// ordinary reports whether this is an ordinary user, in its namespace or not yet.
func ordinary() bool {
	_, inside := rootless.UID()
	return inside || os.Geteuid() != 0
}

// DefaultRoot is the state root: the machine's, or an ordinary user's own
// (XDG Base Directory Specification).
func DefaultRoot() string {
	if ordinary() {
		return userRoot()
	}
	return runner.DefaultRoot
}

func userRoot() string {
	return cmp.Or(userdir.Data(nil, "cove"), "/.local/share/cove")
}

// RunDir is where a root has what may vanish on reboot; "" is the usual place.
func RunDir(root string) string {
	if ordinary() && root == userRoot() {
		return userRun(root)
	}
	return ""
}

// userRun is the directory that a session manager makes at sign-in, also for who has
// come by su, which does not name it; without one it is below root.
func userRun(root string) string {
	uid, inside := rootless.UID()
	if !inside {
		uid = os.Getuid()
	}
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(uid)} {
		var st unix.Stat_t
		if filepath.IsAbs(dir) && unix.Stat(dir, &st) == nil && int(st.Uid) == os.Getuid() {
			return filepath.Join(dir, "cove")
		}
	}
	return filepath.Join(root, "run")
}
