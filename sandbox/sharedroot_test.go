package sandbox_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox"
)

// elsewhere is a process in a mount namespace of its own; do runs a shell command there.
func elsewhere(t *testing.T) (namespace string, do func(script string, args ...string) string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	cmd := exec.Command("sleep", "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	pid := strconv.Itoa(cmd.Process.Pid)
	return "/proc/" + pid + "/ns/mnt", func(script string, args ...string) string {
		t.Helper()
		out, err := exec.Command("nsenter", append([]string{"-t", pid, "-m", "sh", "-c", script, "sh"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// mountsOf counts the mounts at a path.
const mountsOf = `grep -c " $1 " /proc/self/mountinfo || true`

// TestSharedRoot unmounts the root of a container in the namespace that it joined, and
// nothing else that is there.
func TestSharedRoot(t *testing.T) {
	t.Parallel()
	namespace, do := elsewhere(t)
	dir := t.TempDir()
	spec := baseSpec("true")
	spec.Root.Path = dir
	for i, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.MountNamespace {
			spec.Linux.Namespaces[i].Path = namespace
		}
	}
	do(`mount --bind "$1" "$1" && mount -t tmpfs below "$1"`, dir)
	do(`umount "$1"`, dir)
	r, err := sandbox.FindSharedRoot(spec)
	if err != nil || r == nil || r.Path != dir || r.Namespace != namespace || r.Mount == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	do(`mount -t tmpfs other "$1"`, dir)
	if err := r.Unmount(); err != nil || do(mountsOf, dir) != "2" {
		t.Errorf("with another mount over it: %v, %s are left", err, do(mountsOf, dir))
	}
	do(`umount "$1"`, dir)
	for range 2 { // the second finds another mount there, or none
		if err := r.Unmount(); err != nil {
			t.Error(err)
		}
	}
	if n := do(mountsOf, dir); n != "0" {
		t.Errorf("%s mounts are left", n)
	}
	gone := *r
	gone.Namespace = filepath.Join(dir, "nosuch")
	if err := gone.Unmount(); err != nil {
		t.Errorf("in a namespace that is gone: %v", err)
	}
	spec.Root.Path = filepath.Join(dir, "nosuch")
	if _, err := sandbox.FindSharedRoot(spec); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such root: %v", err)
	}
}

func TestOwnRootIsNotShared(t *testing.T) {
	t.Parallel()
	r, err := sandbox.FindSharedRoot(baseSpec("true"))
	if r != nil || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if err := r.Unmount(); err != nil {
		t.Errorf("nothing to unmount: %v", err)
	}
}

func TestStepErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  sandbox.StepError
		code int
		kind error
		says string
	}{
		"a mount": {
			sandbox.StepError{Why: "mount /x", Call: "fsopen", Errno: unix.ENODEV},
			125, errdefs.ErrUnavailable,
			"mount /x: fsopen: no such device",
		},
		"a part of /proc is hidden": {
			sandbox.StepError{Why: "mount /proc", Call: "fsmount", Errno: unix.EPERM},
			125, errdefs.ErrDenied, "procMount: Unmasked",
		},
		"the working directory": {
			sandbox.StepError{Why: "working directory /x", Call: "chdir", Errno: unix.ENOENT},
			126, errdefs.ErrNotFound,
			"working directory /x: chdir: no such file",
		},
		"no such program": {
			sandbox.StepError{Why: "exec", Call: "execve", Errno: unix.ENOENT, Exec: true, Command: " a b"},
			127,
			errdefs.ErrNotFound, `exec " a b": executable file not found in $PATH (`,
		},
		"no such file": {
			sandbox.StepError{Errno: unix.ENOENT, Exec: true, Command: "/a/b"},
			127, errdefs.ErrNotFound, `exec /a/b: no such file or directory in the container (`,
		},
		"a part of its path is a file": {
			sandbox.StepError{Errno: unix.ENOTDIR, Exec: true, Command: "/a/b"}, 127, errdefs.ErrInvalid, "not a directory",
		},
		"not executable": {
			sandbox.StepError{Errno: unix.EACCES, Exec: true, Command: "/etc"}, 126, errdefs.ErrDenied, "permission denied",
		},
		"another architecture": {
			sandbox.StepError{Errno: unix.ENOEXEC, Exec: true, Command: "/a"},
			126, errdefs.ErrInvalid,
			"not a program of this architecture",
		},
		"no memory": {sandbox.StepError{Why: "x", Call: "clone", Errno: unix.ENOMEM}, 125, errdefs.ErrExhausted, "cannot allocate"},
		"no such call": {
			sandbox.StepError{Why: "x", Call: "mount_setattr", Errno: unix.ENOSYS}, 125, errdefs.ErrUnsupported, "not implemented",
		},
	} {
		err := error(&tt.err)
		if tt.err.ExitCode() != tt.code || !errors.Is(err, tt.kind) || !errors.Is(err, tt.err.Errno) ||
			!strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: code %d: %v", name, tt.err.ExitCode(), err)
		}
	}
}

func TestWaitStatus(t *testing.T) {
	t.Parallel()
	for says, tt := range map[string]struct {
		status sandbox.WaitStatus
		code   int
	}{
		"exit code 0":       {sandbox.WaitStatus{}, 0},
		"exit code 7":       {sandbox.WaitStatus{Code: 7}, 7},
		"killed by SIGKILL": {sandbox.WaitStatus{Signal: unix.SIGKILL}, 137},
		"killed by SIGSEGV": {sandbox.WaitStatus{Signal: unix.SIGSEGV, CoreDumped: true}, 139},
	} {
		if tt.status.String() != says || tt.status.ExitCode() != tt.code {
			t.Errorf("%s: %s, %d", says, tt.status, tt.status.ExitCode())
		}
	}
}
