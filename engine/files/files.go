// Package files is what goes in and out of a container's root filesystem: cp,
// export, diff, and the image that a commit makes of it.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/engine/machine"
	"cove/engine/parts"
	"cove/engine/rootfs"
	"cove/errdefs"
	"cove/events"
	"cove/internal/accounts"
	"cove/internal/filelock"
	"cove/layers/compress/codec"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
	"cove/runner"
	"cove/runner/record"
)

// Files are those of the containers of one state root.
type Files struct{ parts *parts.Parts }

// Of returns the files of the containers that parts hold.
func Of(p *parts.Parts) *Files { return &Files{p} }

// CopyOptions are the choices of CopyIn and CopyOut.
type CopyOptions struct {
	// Follow resolves the source when it is a link.
	Follow bool
	// Archive keeps owners; otherwise what is copied in is root's, and what is
	// copied out the caller's.
	Archive bool
}

// CopyIn copies a file or tree of the host into a container, which may run or
// not, by cp's rules. It returns how many bytes were copied.
func (fl *Files) CopyIn(ctx context.Context, src, ref, dst string, o CopyOptions) (n int64, err error) {
	var owner *rootfs.Owner
	if !o.Archive {
		owner = &rootfs.Owner{}
	}
	err = withHost(src, func(host rootfs.Root, src string) error {
		from, err := rootfs.Find(ctx, host, src, o.Follow, nil)
		if err != nil {
			return err
		}
		defer from.Close()
		put := func() error {
			return fl.inContainer(ctx, ref, dst, true, func(root rootfs.Root, dst string) error {
				n, err = rootfs.Put(ctx, root, dst, from, rootfs.PutOptions{Owner: owner})
				return err
			})
		}
		if err := put(); !errors.Is(err, errCut) {
			return err
		}
		return put() // into the life that began meanwhile
	})
	return n, fl.tell(ctx, ref, events.ExtractToDir, err)
}

// CopyOut copies a file or tree of a container to the host. Nothing is written
// but below dst, whatever links a container plants.
func (fl *Files) CopyOut(ctx context.Context, ref, src, dst string, o CopyOptions) (n int64, err error) {
	var owner *rootfs.Owner
	if !o.Archive {
		owner = &rootfs.Owner{UID: os.Getuid(), GID: os.Getgid()}
	}
	err = fl.source(ctx, ref, src, o, func(from *rootfs.Source) error {
		return withHost(dst, func(host rootfs.Root, dst string) error {
			n, err = rootfs.Put(ctx, host, dst, from, rootfs.PutOptions{Owner: owner, Confined: true})
			return err
		})
	})
	return n, fl.tell(ctx, ref, events.ArchivePath, err)
}

// tell tells of what was done with a container, unless it failed.
func (fl *Files) tell(ctx context.Context, ref, action string, err error) error {
	if err != nil {
		return err
	}
	c, err := fl.parts.Container(ctx, ref)
	if err == nil {
		c.Tell(action)
	}
	return nil // it was removed since: nothing is to be told of it
}

// TarOptions are the choices of CopyTarIn.
type TarOptions struct {
	// OwnedByUser gives what is extracted to the user that the container was told to
	// run as, if it was.
	OwnedByUser bool
	// KeepKinds refuses a directory where something else is, and the other way round.
	KeepKinds bool
}

// CopyTarIn extracts a tar, compressed or not, into a directory of a container. A program
// that links nothing that unpacks is told errdefs.ErrNotLinked before anything is read.
func (fl *Files) CopyTarIn(ctx context.Context, r io.Reader, ref, dst string, o TarOptions) error {
	if _, err := codec.Linked(); err != nil {
		return err
	}
	opts := rootfs.ExtractOptions{KeepKinds: o.KeepKinds}
	if o.OwnedByUser {
		c, err := fl.parts.Container(ctx, ref)
		if err != nil {
			return err
		}
		if asked := c.Config().Asked; asked != nil && asked.Image.User != "" {
			user := c.Config().Spec.Process.User
			opts.Owner = &rootfs.Owner{UID: int(user.UID), GID: int(user.GID)}
		}
	}
	err := fl.inContainer(ctx, ref, dst, true, func(root rootfs.Root, dst string) error {
		return rootfs.Extract(ctx, root, dst, r, opts)
	})
	return fl.tell(ctx, ref, events.ExtractToDir, err)
}

// CopyTarOut writes a file or tree of a container as a tar.
func (fl *Files) CopyTarOut(ctx context.Context, ref, src string, w io.Writer, o CopyOptions) error {
	err := fl.source(ctx, ref, src, o, func(from *rootfs.Source) error { return from.Archive(ctx, w, src) })
	return fl.tell(ctx, ref, events.ArchivePath, err)
}

// Stat is what is at a path of a container.
type Stat = rootfs.Stat

// StatPath looks at a path of a container, without following a link that is there.
func (fl *Files) StatPath(ctx context.Context, ref, name string) (s Stat, err error) {
	err = fl.inContainer(ctx, ref, name, false, func(root rootfs.Root, name string) error {
		s, err = rootfs.StatOf(ctx, root, name)
		return err
	})
	return s, err
}

// FindUser says whether a container's own /etc/passwd and /etc/group know a user, as they
// are now; one that they do not know is errdefs.ErrInvalid.
func (fl *Files) FindUser(ctx context.Context, ref, name string) error {
	return fl.inContainer(ctx, ref, "/", false, func(root rootfs.Root, _ string) error {
		if _, err := accounts.Find(accounts.In(root.FD), name); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
		}
		return nil
	})
}

// withHost calls do with the host's root and a path below it.
func withHost(name string, do func(host rootfs.Root, name string) error) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	switch { // Abs takes off what says "what is in it" and "a directory"
	case filepath.Base(name) == ".":
		abs += "/."
	case strings.HasSuffix(name, "/"):
		abs += "/"
	}
	host, err := rootfs.Open("/")
	if err != nil {
		return err
	}
	defer unix.Close(host)
	return do(rootfs.Root{FD: host}, abs)
}

// source finds a file or tree of a container. The kernel's own filesystems in
// it are left out, unless one is what was asked for.
func (fl *Files) source(ctx context.Context, ref, name string, o CopyOptions, do func(*rootfs.Source) error) error {
	c, err := fl.parts.Container(ctx, ref)
	if err != nil {
		return err
	}
	kernels := map[string]bool{}
	for _, m := range c.Config().Spec.Mounts {
		kernels[strings.Trim(m.Destination, "/")] = m.Type != "bind"
	}
	return fl.inContainer(ctx, ref, name, false, func(root rootfs.Root, name string) error {
		from, err := rootfs.Find(ctx, root, name, o.Follow, func(name string) bool { return kernels[name] })
		if err != nil {
			return err
		}
		defer from.Close()
		return do(from)
	})
}

// inContainer calls do with a container's root, open, and the name below it.
// One that runs is seen through its first process, with all that is mounted in
// it; of one that does not, a volume is found by where it would be mounted.
func (fl *Files) inContainer(
	ctx context.Context, ref, name string, write bool, do func(root rootfs.Root, name string) error,
) error {
	if err := machine.NeedRoot("copying from and to a container"); err != nil {
		return err
	}
	c, err := fl.parts.Container(ctx, ref)
	if err != nil {
		return err
	}
	if write {
		// One after the other, as docker has it: two that replace the same file
		// at once would remove it under each other.
		lock, err := filelock.Open(ctx, filepath.Join(c.Dir(), "copy.lock"), filelock.Exclusive)
		if errors.Is(err, fs.ErrNotExist) {
			return errdefs.Errorf(errdefs.ErrNotFound, "container %s: it was removed meanwhile", c)
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", c, err)
		}
		defer filelock.Release(lock)
	}
	err = inEither(ctx, c, name, write, do)
	if write && errors.Is(err, unix.EROFS) {
		return readOnlyRoot(c, name)
	}
	return err
}

// inEither calls do with what is seen of a container that runs, or of one that does not.
func inEither(
	ctx context.Context, c *runner.Container, name string, write bool, do func(root rootfs.Root, name string) error,
) error {
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	if m, rest, ok := mapped(c.Config(), name); ok && state.Pid > 0 {
		return inMount(c, m, rest, write, do)
	}
	if state.Pid > 0 {
		err := inProcess(ctx, c, state.Pid, name, do)
		if !errors.Is(err, errEnded) {
			return err
		}
		if _, err := c.Wait(ctx); err != nil { // until that is recorded
			return err
		}
	}
	return c.Hold(ctx, func(now record.State) error {
		if now.Pid > 0 { // somebody started it meanwhile
			return inProcess(ctx, c, now.Pid, name, do)
		}
		return inStopped(ctx, c, name, write, do)
	})
}

// inStopped calls do with the root of a container that does not run.
func inStopped(
	ctx context.Context, c *runner.Container, name string, write bool, do func(root rootfs.Root, name string) error,
) error {
	cfg := c.Config()
	m, rest, mounted := mountAt(cfg.Mounts, name)
	switch {
	case mounted && (m.Stack != nil || !cfg.Root.IDMap.IsZero()):
		return inMount(c, m, rest, write, do)
	case write && mounted && m.ReadOnly:
		return readOnlyMount(c, m)
	case write && !mounted && asksReadOnly(c) && !cfg.Root.IDMap.IsZero():
		return readOnlyRoot(c, name)
	case !cfg.Root.IDMap.IsZero():
		return rootfs.With(ctx, cfg.Root, func(root int) error {
			return do(rootfs.Root{FD: root, Owners: cfg.Root.Owners()}, name)
		})
	}
	seen := cfg.Root
	seen.ReadOnly = write && asksReadOnly(c) // a link in a volume may lead to what is not
	return overlay.WithBinds(ctx, seen, binds(c), func(root int) error {
		return do(rootfs.Root{FD: root}, name)
	})
}

// binds are what a container that does not run would see at places of its root: its
// volumes, what it has of the host, the files that are written for it at each start, and
// the directory in which it will run, which its first start makes.
func binds(c *runner.Container) (all []overlay.Bind) {
	for _, m := range c.Config().Mounts {
		if _, err := os.Stat(m.Source); err == nil && m.Stack == nil && path.IsAbs(m.Source) {
			all = append(all, overlay.Bind{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		own, target := filepath.Join(c.Dir(), name), "/etc/"+name
		taken := slices.ContainsFunc(all, func(b overlay.Bind) bool { return path.Clean(b.Target) == target })
		if _, err := os.Stat(own); err == nil && !taken {
			all = append(all, overlay.Bind{Source: own, Target: target})
		}
	}
	if spec := c.Config().Spec; spec.Process != nil && path.IsAbs(spec.Process.Cwd) {
		all = append(all, overlay.Bind{Target: spec.Process.Cwd})
	}
	return all
}

func asksReadOnly(c *runner.Container) bool {
	return c.Config().Asked != nil && c.Config().Asked.ReadOnly
}

// readOnlyRoot says what of a container may not be written to at name, or at where a link
// there leads.
func readOnlyRoot(c *runner.Container, name string) error {
	if m, _, ok := mountAt(c.Config().Mounts, name); ok && m.ReadOnly {
		return readOnlyMount(c, m)
	}
	if asksReadOnly(c) {
		return errdefs.Errorf(errdefs.ErrDenied, "container rootfs is marked read-only: %s", c)
	}
	return errdefs.Errorf(errdefs.ErrDenied, "container %s: %s leads to what is read-only", c, name)
}

func readOnlyMount(c *runner.Container, m record.Mounted) error {
	return errdefs.Errorf(errdefs.ErrDenied, "mounted volume is marked read-only: container %s has it at %s", c, m.Target)
}

// mapped finds a mount that a container with a user namespace sees with its
// owners mapped. Through that mount nobody else can make files there: the
// kernel has no owner for theirs (EOVERFLOW), so they are made at its source.
func mapped(cfg record.Config, name string) (record.Mounted, string, bool) {
	if cfg.Root.IDMap.IsZero() {
		return record.Mounted{}, "", false
	}
	m, rest, ok := mountAt(cfg.Mounts, name)
	return m, rest, ok && m.MapOwners
}

// inMount calls do with what is mounted in a container, from outside.
func inMount(
	c *runner.Container, m record.Mounted, rest string, write bool, do func(root rootfs.Root, name string) error,
) error {
	if write && m.ReadOnly {
		return readOnlyMount(c, m)
	}
	fd, err := rootfs.Open(m.Source)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	root := rootfs.Root{FD: fd}
	if !m.MapOwners {
		root.Owners = c.Config().Root.IDMap
	}
	return do(root, rest)
}

// errEnded says that a container ended before its root could be opened.
var errEnded = errdefs.Errorf(errdefs.ErrConflict, "it ended meanwhile; try again")

// errCut says that a container ended, and perhaps began again, while files were made in it.
var errCut = errdefs.Errorf(errdefs.ErrConflict, "it ended while it was copied to; try again")

// inProcess opens the root of a container's first process. It is still the
// container's when the container, asked afterwards, still says so.
func inProcess(
	ctx context.Context, c *runner.Container, pid int, name string, do func(root rootfs.Root, name string) error,
) error {
	root, err := rootfs.Open(fmt.Sprintf("/proc/%d/root", pid))
	if err == nil {
		defer unix.Close(root)
	}
	now, serr := c.State(ctx)
	switch {
	case serr != nil:
		return serr
	case now.Pid != pid || errors.Is(err, fs.ErrNotExist): // also of one that is about to be gone
		return fmt.Errorf("container %s: %w", c, errEnded)
	case err != nil:
		return fmt.Errorf("container %s: %w", c, err)
	}
	err = do(rootfs.Root{FD: root, Owners: c.Config().Root.IDMap}, name)
	if errors.Is(err, fs.ErrNotExist) {
		// An overlay that is mounted for the next life empties the folder in which the
		// one before makes its files.
		switch now, serr := c.State(ctx); {
		case serr != nil: // it was removed
			return serr
		case now.Pid != pid:
			return fmt.Errorf("container %s: %w (%w)", c, errCut, err)
		}
	}
	return err
}

// mountAt finds the directory mounted nearest above name, and what is left of
// name there, with the end that says "what is in it".
func mountAt(mounts []record.Mounted, name string) (found record.Mounted, rest string, ok bool) {
	clean := path.Clean("/" + name)
	for _, m := range mounts {
		below, in := strings.CutPrefix(clean+"/", path.Clean(m.Target)+"/")
		if info, err := os.Stat(m.Source); !in || err != nil || !info.IsDir() || ok &&
			len(m.Target) < len(found.Target) {
			continue
		}
		found, rest, ok = m, "/"+strings.TrimSuffix(below, "/"), true
	}
	switch {
	case strings.HasSuffix(name, "/."):
		rest += "/."
	case strings.HasSuffix(name, "/"):
		rest += "/"
	}
	return found, rest, ok
}

// Export writes a container's root filesystem as a tar, without what is mounted
// in it.
func (fl *Files) Export(ctx context.Context, ref string, w io.Writer) error {
	if err := machine.NeedRoot("exporting a container"); err != nil {
		return err
	}
	c, err := fl.parts.Container(ctx, ref)
	if err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	begun := false
	pack := func(owners mount.IDMap) func(root int) error {
		return func(root int) error {
			begun = true
			return packRoot(ctx, c, rootfs.Root{FD: root, Owners: owners}, w)
		}
	}
	if state.Pid > 0 {
		err := overlay.OfProcess(state.Pid, func(root int) error {
			if now, err := c.State(ctx); err != nil || now.Pid != state.Pid {
				return errors.Join(errEnded, err)
			}
			return pack(c.Config().Root.IDMap)(root)
		})
		if err == nil || begun {
			return err
		} // it has ended
	}
	return rootfs.With(ctx, readOnly(c.Config().Root), pack(c.Config().Root.Owners()))
}

func packRoot(ctx context.Context, c *runner.Container, root rootfs.Root, w io.Writer) error {
	from, err := rootfs.Find(ctx, root, "/", false, nil)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := from.Pack(ctx, w); err != nil {
		return err
	}
	c.Tell(events.Export)
	return nil
}

// readOnly shows what a root shows with no directory to write to, so that it
// can be looked at beside the one that runs.
func readOnly(root mount.Mount) mount.Mount {
	if root.Type == "overlay" && root.Upper != "" {
		root.Lower = append([]string{root.Upper}, root.Lower...)
		root.Upper, root.Work = "", ""
	}
	root.ReadOnly = true
	return root
}

// top is where a container's own files are.
func top(c *runner.Container) string { return cmp.Or(c.Config().Root.Upper, c.Config().Root.Source) }
