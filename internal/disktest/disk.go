package disktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"
)

// Disk is one with a file system on it.
type Disk struct {
	t      testing.TB
	kind   string
	dir    string // the folder of the mounts
	image  *image
	loop   *os.File
	mounts bool
	// writeback is the kernel's, while a cut comes.
	writeback sync.WaitGroup
	*platters
}

// image is where the platters are seen as a file.
type image struct {
	name    string
	unmount func() error
}

// New makes a disk with a file system of a kind: ext4, xfs or btrfs. It skips the
// test where that cannot be.
func New(t testing.TB, kind string) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a file system")
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skip("needs FUSE: ", err)
	} else {
		_ = f.Close() // it was only looked for
	}
	mkfs := map[string][]string{
		"ext4": {"-q", "-F", "-E", "nodiscard"}, "xfs": {"-q", "-f", "-K"}, "btrfs": {"-q", "-f", "-K"},
	}
	if _, err := exec.LookPath("mkfs." + kind); err != nil {
		t.Skip("needs a program: ", err)
	}
	d := &Disk{t: t, kind: kind, dir: t.TempDir(), platters: newPlatters(512 << 20)}
	for _, name := range []string{"image", "mnt"} {
		if err := os.Mkdir(filepath.Join(d.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(d.Unmount)
	d.show()
	out, err := exec.CommandContext(t.Context(), "mkfs."+kind, append(mkfs[kind], d.image.name)...).CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.%s: %v\n%s", kind, err, out)
	}
	d.Unmount()
	d.flush()
	return d
}

// Counts says what happened to the disk.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// show has the kernel see the platters as a file.
func (d *Disk) show() {
	d.t.Helper()
	dir := filepath.Join(d.dir, "image")
	opts := &fs.Options{}
	opts.DirectMountStrict, opts.MaxWrite, opts.FsName, opts.Name = true, 1<<20, "disktest", "disktest"
	root := &fs.Inode{}
	opts.OnAdd = func(ctx context.Context) {
		root.AddChild("disk", root.NewPersistentInode(ctx, &file{platters: d.platters}, fs.StableAttr{Ino: 2}), false)
	}
	server, err := fs.Mount(dir, root, opts)
	if err != nil {
		d.t.Skip("needs FUSE: ", err)
	}
	d.image = &image{filepath.Join(dir, "disk"), server.Unmount}
}

// Mount gives the disk power and mounts its file system, which recovers from what
// the last cut left.
func (d *Disk) Mount() (dir string) {
	d.t.Helper()
	d.on()
	d.show()
	if err := d.attach(); err != nil {
		d.t.Fatal("loop device: ", err)
	}
	dir = filepath.Join(d.dir, "mnt")
	if err := unix.Mount(d.loop.Name(), dir, d.kind, unix.MS_NOATIME, ""); err != nil {
		d.t.Fatalf("mounting %s: %v", d.kind, err)
	}
	d.mounts = true
	return dir
}

// attach opens a free loop device over the image. It goes with its last user.
func (d *Disk) attach() (err error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	backing, err := os.OpenFile(d.image.name, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, control.Close())
	}
	defer func() { err = errors.Join(err, backing.Close(), control.Close()) }()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return err
		}
		if d.loop, err = d.open(n); err != nil {
			return err
		}
		err = unix.IoctlLoopConfigure(int(d.loop.Fd()), &unix.LoopConfig{
			Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if !errors.Is(err, unix.EBUSY) { // somebody else took it
			return err
		}
		if err := d.loop.Close(); err != nil {
			return err
		}
	}
}

// open opens a loop device by its number, with a node of our own where /dev has none.
func (d *Disk) open(n int) (*os.File, error) {
	name := fmt.Sprintf("/dev/loop%d", n)
	if _, err := os.Stat(name); err != nil {
		const loopMajor = 7
		name = filepath.Join(d.dir, filepath.Base(name))
		err := unix.Mknod(name, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, uint32(n))))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, err
		}
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// Cut ends the power while the kernel writes back what it has in memory, as it does
// all the time on a busy machine: every read and write fails from then on. luck is
// how likely what was in the disk's own cache had been written, page by page.
func (d *Disk) Cut(rng *rand.Rand, luck float64) {
	d.t.Helper()
	root, err := os.Open(filepath.Join(d.dir, "mnt"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.writeback.Go(func() {
		_ = unix.Syncfs(int(root.Fd())) // it fails when the power goes
		_ = root.Close()
	})
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
	d.cut(rng, luck)
}

// Unmount takes the disk away. Whoever used it must have ended.
func (d *Disk) Unmount() {
	d.t.Helper()
	d.writeback.Wait()
	if d.mounts {
		d.poll("unmounting "+d.kind, func() error { return unix.Unmount(filepath.Join(d.dir, "mnt"), 0) })
		d.mounts = false
	}
	if d.loop != nil {
		if err := d.loop.Close(); err != nil {
			d.t.Error(err)
		}
		d.loop = nil
	}
	if d.image != nil {
		d.poll("unmounting the image", d.image.unmount) // the loop device lets go of it a moment later
		d.image = nil
	}
}

// poll does something until it succeeds.
func (d *Disk) poll(what string, do func() error) {
	d.t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := do()
		if err == nil {
			return
		}
		if time.Since(begin) > 20*time.Second {
			d.t.Errorf("%s: %v", what, err)
			return
		}
	}
}
