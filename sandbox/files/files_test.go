package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/hooks"
	"cove/sandbox/plan"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
}

// dirWith makes files, and directories where a name ends in a slash, below a new
// directory.
func dirWith(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// opened is the only file of a plan, which is closed with the test.
func opened(t *testing.T, want plan.File, src Source) int {
	t.Helper()
	f, err := Open(&plan.Plan{Files: []plan.File{want}}, src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f.FDs[0]
}

// read returns what a file below a detached mount holds.
func read(t *testing.T, dir int, name string) string {
	t.Helper()
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestBind(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := dirWith(t, "a/file")
	for name, tt := range map[string]struct {
		attr plan.MountAttr
		want unix.Errno // of making a file
	}{
		"writable":            {plan.MountAttr{}, 0},
		"read-only":           {plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY}, unix.EROFS},
		"all read-only":       {plan.MountAttr{SetAll: unix.MOUNT_ATTR_RDONLY}, unix.EROFS},
		"the top wins":        {plan.MountAttr{SetAll: unix.MOUNT_ATTR_RDONLY, Clear: unix.MOUNT_ATTR_RDONLY}, 0},
		"with a propagation":  {plan.MountAttr{Propagation: unix.MS_SLAVE}, 0},
		"and one for all":     {plan.MountAttr{Propagation: unix.MS_PRIVATE, PropagateAll: true}, 0},
		"no set-user-ID bits": {plan.MountAttr{Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}, 0},
	} {
		fd := opened(t, plan.File{Kind: plan.Bind, Name: dir, Recursive: true, Attr: tt.attr}, Source{})
		if got := read(t, fd, "a/file"); got != "a/file" {
			t.Errorf("%s: %q", name, got)
		}
		made, err := unix.Openat(fd, "made", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if tt.want != 0 && !errors.Is(err, tt.want) || tt.want == 0 && err != nil {
			t.Errorf("%s: making a file: %v, want %v", name, err, tt.want)
		}
		if err == nil {
			unix.Close(made)
		}
		if tt.attr.Set&unix.MOUNT_ATTR_NOSUID != 0 {
			var st unix.Statfs_t
			if err := unix.Fstatfs(fd, &st); err != nil || st.Flags&unix.MS_NOSUID == 0 || st.Flags&unix.MS_NODEV == 0 {
				t.Errorf("%s: flags %#x, %v", name, st.Flags, err)
			}
		}
	}
}

// TestBindOwners shows files of one user as those of another.
func TestBindOwners(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := dirWith(t, "mine")
	if err := os.Chown(filepath.Join(dir, "mine"), 1007, 1008); err != nil {
		t.Fatal(err)
	}
	want := plan.File{
		Kind: plan.Bind, Name: dir,
		UIDs: []mount.IDRange{{Inside: 1007, Outside: 2007, Size: 1}}, GIDs: []mount.IDRange{{Inside: 1008, Outside: 2008, Size: 1}},
	}
	f, err := Open(&plan.Plan{Files: []plan.File{want}}, Source{})
	if errors.Is(err, errdefs.ErrInvalid) {
		t.Skipf("needs a filesystem with id-mapped mounts: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstatat(f.FDs[0], "mine", &st, 0); err != nil || st.Uid != 2007 || st.Gid != 2008 {
		t.Errorf("%d:%d, %v", st.Uid, st.Gid, err)
	}
}

func TestCopyUp(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := mount.Mount{Type: "bind", Source: dirWith(t, "etc/passwd", "etc/deep/er/file", "empty/")}
	for name, want := range map[string]string{
		"etc": "etc/deep/er/file", "empty": unix.ENOENT.Error(), "nosuch": unix.ENOENT.Error(),
	} {
		f, err := Open(&plan.Plan{Files: []plan.File{
			{Kind: plan.Root}, {Kind: plan.CopyUp, Name: name, Options: []string{"mode=750", "size=1m"}},
		}}, Source{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, f.FDs[1], "deep/er/file"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		var fs unix.Statfs_t
		if err := unix.Fstatfs(f.FDs[1], &fs); err != nil || fs.Type != unix.TMPFS_MAGIC || fs.Blocks*uint64(fs.Bsize) != 1<<20 {
			t.Errorf("%s: type %#x of %d bytes, %v", name, fs.Type, fs.Blocks*uint64(fs.Bsize), err)
		}
		f.Close()
	}
	// A name that leads out of the root stays in it.
	f, err := Open(&plan.Plan{Files: []plan.File{{Kind: plan.Root}, {Kind: plan.CopyUp, Name: "../../etc/deep"}}}, Source{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := read(t, f.FDs[1], "er/file"); got != "etc/deep/er/file" {
		t.Errorf("%q", got)
	}
}

// TestTerminal talks through a terminal in a devpts of its own.
func TestTerminal(t *testing.T) {
	t.Parallel()
	needRoot(t)
	f, err := Open(&plan.Plan{Terminal: true, Files: []plan.File{
		{Kind: plan.DevPTS, Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
	}}, Source{Size: unix.Winsize{Row: 33, Col: 99}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	master := f.TakeConsole()
	defer master.Close()
	if again := f.TakeConsole(); again != nil {
		t.Error("the master was given away twice")
	}
	size, err := unix.IoctlGetWinsize(int(f.Terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Row != 33 || size.Col != 99 {
		t.Errorf("size: %+v, %v", size, err)
	}
	if _, err := f.Terminal.WriteString("from inside\n"); err != nil {
		t.Fatal(err)
	}
	_ = master.SetReadDeadline(time.Now().Add(10 * time.Second)) // a terminal takes one
	buf := make([]byte, len("from inside\r\n"))                  // which may come in two pieces
	n, err := io.ReadFull(master, buf)
	if err != nil || string(buf) != "from inside\r\n" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	// Its name is that of the instance, whatever terminals the host has.
	var st unix.Stat_t
	if err := unix.Fstatat(f.FDs[0], "0", &st, 0); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("terminal 0 of the instance: %+v, %v", st.Mode, err)
	}
}

func TestTerminalWithoutDevpts(t *testing.T) {
	t.Parallel()
	if _, err := Open(&plan.Plan{Terminal: true}, Source{}); !errors.Is(err, errdefs.ErrInvalid) ||
		!strings.Contains(err.Error(), "devpts") {
		t.Error(err)
	}
}

// TestHookState writes the state that hooks read, and lets nobody change it.
func TestHookState(t *testing.T) {
	t.Parallel()
	f, err := Open(&plan.Plan{Files: []plan.File{{Kind: plan.HookState, Name: string(specs.StateCreating)}}}, Source{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.HookState(specs.StateCreating) || f.HookState(specs.StateCreated) {
		t.Error("which hooks read a state")
	}
	st := specs.State{ID: "box", Bundle: "/b", Annotations: map[string]string{"a": "b"}}
	for _, status := range []specs.ContainerState{specs.StateCreated, specs.StateCreating} {
		if err := f.TellState(st, status, os.Getpid()); err != nil { // of created nobody reads
			t.Fatal(err)
		}
	}
	data := make([]byte, 4096)
	n, err := unix.Pread(f.FDs[0], data, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got specs.State
	if err := json.Unmarshal(data[:n], &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "box" || got.Status != specs.StateCreating || got.Pid == 0 || got.Annotations["a"] != "b" {
		t.Errorf("%+v", got)
	}
	if _, err := unix.Pwrite(f.FDs[0], []byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("written again: %v", err)
	}
	if err := unix.Ftruncate(f.FDs[0], 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("cut off: %v", err)
	}
}

// TestInnerPid is what a process of a pid namespace calls itself.
func TestInnerPid(t *testing.T) {
	t.Parallel()
	needRoot(t)
	cmd := exec.Command("sleep", "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if got := innerPid(cmd.Process.Pid); got != 1 {
		t.Errorf("in its namespace: %d", got)
	}
	if got := innerPid(1 << 30); got != 1<<30 {
		t.Errorf("of no process: %d", got)
	}
}

// TestOutput quotes what hooks printed in the error of one, in this process and in the
// one that starts what this one created.
func TestOutput(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Files: []plan.File{{Kind: plan.HookOutput}}}
	for name, dir := range map[string]string{"inherited": "", "named": t.TempDir()} {
		f, err := Open(p, Source{Control: dir})
		if err != nil {
			t.Fatal(err)
		}
		out := f.TakeOutput()
		if f.TakeOutput() != nil {
			t.Errorf("%s: given away twice", name)
		}
		if dir != "" {
			again, err := ReopenOutput(dir, p)
			if err != nil {
				t.Fatal(err)
			}
			out.Close()
			out = again
		}
		text := "no such device\n" + strings.Repeat("x", 2*maxHookOutput)
		if _, err := io.Copy(os.NewFile(uintptr(dup(t, f.FDs[0])), "hook"), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		failed := &hooks.Error{Hook: "createContainer[0] /bin/x", Err: errors.New("exit code 1")}
		if err := out.Explain(failed); !strings.Contains(err.Error(), "no such device") || len(failed.Output) != maxHookOutput {
			t.Errorf("%s: %d bytes of %.60q", name, len(failed.Output), failed.Output)
		}
		other := errors.New("something else")
		if err := out.Explain(other); !errors.Is(err, other) {
			t.Errorf("%s: %v", name, err)
		}
		out.Close()
		f.Close()
	}
	var none *Output
	none.Close()
	failed := &hooks.Error{Hook: "x", Err: errors.New("y")}
	if err := none.Explain(failed); !errors.Is(err, failed) || failed.Output != "" {
		t.Errorf("without hooks: %v", err)
	}
	if out, err := ReopenOutput(t.TempDir(), &plan.Plan{}); out != nil || err != nil {
		t.Errorf("a plan without hooks: %v, %v", out, err)
	}
	if _, err := ReopenOutput(t.TempDir(), p); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a pipe that is gone: %v", err)
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestErrors names what could not be opened, closes what was, and says whose fault it is.
func TestErrors(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := mount.Mount{Type: "bind", Source: t.TempDir()}
	idMapped := root
	idMapped.IDMap.UIDs = []mount.IDRange{{Size: 1}}
	for says, tt := range map[string]struct {
		file plan.File
		src  Source
		kind error
	}{
		"bind source /nosuch":              {plan.File{Kind: plan.Bind, Name: "/nosuch"}, Source{}, errdefs.ErrNotFound},
		"namespace /nosuch":                {plan.File{Kind: plan.Namespace, Name: "/nosuch"}, Source{}, errdefs.ErrNotFound},
		`mount type "zfs"`:                 {plan.File{Kind: plan.Root}, Source{Root: mount.Mount{Type: "zfs"}}, errdefs.ErrInvalid},
		"mapping its owners":               {plan.File{Kind: plan.Root}, Source{Root: idMapped}, errdefs.ErrInvalid},
		"root filesystem /nosuch":          {plan.File{Kind: plan.Root}, Source{Root: mount.Mount{Type: "bind", Source: "/nosuch"}}, errdefs.ErrNotFound},
		"needs a control group of the con": {plan.File{Kind: plan.CgroupDir, Name: "memory"}, Source{}, errdefs.ErrInvalid},
		"an unknown file":                  {plan.File{Kind: 200}, Source{}, errdefs.ErrUnsupported},
		"new devpts":                       {plan.File{Kind: plan.DevPTS, Options: []string{"nosuch=1"}}, Source{}, errdefs.ErrInvalid},
	} {
		_, err := Open(&plan.Plan{Files: []plan.File{{Kind: plan.Bind, Name: root.Source}, tt.file}}, tt.src)
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestForeign copies a mount that only another process has.
func TestForeign(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `mount -t tmpfs tmpfs "$0" && echo there > "$0/file" && echo ready && exec sleep 100`, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil || !bytes.Equal(ready, []byte("ready\n")) {
		t.Fatalf("%q, %v", ready, err)
	}
	name := "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/root" + dir
	fd := opened(t, plan.File{Kind: plan.Bind, Name: name, Attr: plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY}}, Source{})
	if got := read(t, fd, "file"); got != "there\n" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(dir + "/file"); err == nil {
		t.Error("it is mounted here, too")
	}
	for _, name := range []string{"/etc", "/proc/1", "/proc/1/2/root/x"} {
		if _, err := openForeign(name, unix.OPEN_TREE_CLONE, false); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
