package buildctx

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"cove/builder/buildctx/prints"
	"cove/internal/limit"

	"golang.org/x/sys/unix"
)

// Hash sets the Digest of every regular file among entries that has none yet:
// from the stat cache, or by reading it, on every core. Two COPYs that select
// the same files take turns, and the second finds the work done.
func (t *Tree) Hash(ctx context.Context, entries []*Entry) error {
	t.hashing.Lock()
	defer t.hashing.Unlock()
	var todo []*Entry
	for _, e := range entries {
		if !e.IsRegular() || e.Digest != "" {
			continue
		}
		if dgst, ok := t.stats.get(e); ok {
			e.Digest = dgst
			continue
		}
		todo = append(todo, e)
	}
	if len(todo) == 0 {
		return nil
	}
	// Each core takes the next file itself: most are small, and to be handed one costs as
	// much as to read it.
	var next atomic.Int64
	cores := make([]struct{}, min(runtime.GOMAXPROCS(0), len(todo)))
	return limit.Each(ctx, len(cores), slices.Values(cores), func(ctx context.Context, _ struct{}) error {
		hasher, err := t.Prints.Hasher()
		if err != nil {
			return err
		}
		for i := next.Add(1) - 1; i < int64(len(todo)) && ctx.Err() == nil; i = next.Add(1) - 1 {
			if err := t.hashFile(todo[i], hasher); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// clockTick is longer than the kernel's clock for times of files stands still:
// what is written within a tick of the last change need not show in the times. So
// a file is read when its last change is that long ago.
const clockTick = 20 * time.Millisecond

// hashFile reads one file. Its stat after must be that of the walk: a file that
// is being written has no digest. The clock here is the kernel's, which also
// wrote the file's ctime.
func (t *Tree) hashFile(e *Entry, hasher *prints.Hasher) error {
	if age := time.Since(time.Unix(0, e.ctime)); age >= 0 && age < clockTick {
		time.Sleep(clockTick - age)
	}
	start := time.Now().UnixNano()
	f, err := t.open(e)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := hasher.Digest(f, e.Size)
	if err != nil {
		return FileError(e.Path, err)
	}
	fate, err := f.since(e)
	if err != nil || fate == altered || fate == grown && !t.Growing {
		return errors.Join(err, changed(e))
	}
	if e.Xattrs, err = t.xattrs(f.fd, e.Path); err != nil {
		return err
	}
	e.Digest = digestFrom(sum[:])
	// A file changed within the clock's tick of being read could change again
	// and keep its times: such a digest holds for this build only.
	// The cache has no room for attributes, which few files have.
	if fate == still && len(e.Xattrs) == 0 && e.ctime+t.margin < start {
		t.stats.put(e)
	}
	return nil
}

// Network and userspace filesystems keep time elsewhere and more coarsely.
var farFilesystems = map[int64]bool{
	unix.NFS_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true, unix.SMB_SUPER_MAGIC: true,
	unix.FUSE_SUPER_MAGIC: true, unix.V9FS_MAGIC: true, unix.CEPH_SUPER_MAGIC: true, unix.AFS_SUPER_MAGIC: true,
	unix.MSDOS_SUPER_MAGIC: true,
}

// trustMargin is how old a change must be, in nanoseconds, before what was
// read after it is what will be read.
func trustMargin(fd int) int64 {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || farFilesystems[int64(st.Type)] { //nolint:unconvert // it is 32 bits wide elsewhere
		return (3 * time.Second).Nanoseconds()
	}
	return (100 * time.Millisecond).Nanoseconds()
}
