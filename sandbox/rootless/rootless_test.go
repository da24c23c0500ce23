package rootless

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

const asChild = "ROOTLESS_TEST_DIR"

// TestMain is the program that Enter executes, too: as somebody else, and then inside.
func TestMain(m *testing.M) {
	dir := os.Getenv(asChild)
	if dir == "" {
		os.Exit(m.Run())
	}
	if uid, ok := UID(); ok {
		inside(uid)
		os.Exit(0)
	}
	err := Enter(context.Background(), Options{
		Dir: dir, Path: "/proc/self/fd/3", Args: []string{"inside"},
		Env:  []string{asChild + "=" + dir, Variable + "=" + strconv.Itoa(os.Getuid())},
		Note: func(why error) { fmt.Println("note:", why) },
	})
	fmt.Println("enter:", err)
	os.Exit(1)
}

// inside tells what there is.
func inside(uid int) {
	ns, _ := os.Readlink("/proc/self/ns/user")
	fmt.Println("uid", uid, "is", os.Getuid(), "groups", Groups(), "single", SingleID(), "in", ns)
	fmt.Println("mounts:", unix.Mount("none", "/proc", "tmpfs", 0, ""))
}

// stranger is a uid that no account has.
const stranger = 61_234

func enter(t *testing.T, dir string) (string, error) {
	t.Helper()
	self, err := os.Open("/proc/self/exe") // which a stranger may not find by its path
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Env, cmd.Dir = []string{asChild + "=" + dir, "PATH=" + os.Getenv("PATH")}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func strangersDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "rootless-") //nolint:usetesting // a stranger comes into no folder of a test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b, err := os.ReadFile(filepath.Join(dir, "userns")); err == nil {
			pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "cove-userns\n" {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return dir
}

// Two commands are in one namespace; when what holds it is gone, the next makes another.
func TestEnter(t *testing.T) {
	t.Parallel()
	dir := strangersDir(t)
	first, err := enter(t, dir)
	if err != nil {
		t.Fatalf("%v: %s", err, first)
	}
	note, told, _ := strings.Cut(first, "\n")
	if !strings.Contains(note, "/etc/subuid gives "+strconv.Itoa(stranger)+" no ids (as root: usermod --add-subuids") {
		t.Errorf("the note says %q", note)
	}
	if !strings.HasPrefix(told, fmt.Sprintf("uid %d is 0 groups 1 single true in user:[", stranger)) ||
		!strings.Contains(told, "mounts: <nil>") {
		t.Errorf("inside: %s", told)
	}
	if second, err := enter(t, dir); err != nil || second != told {
		t.Errorf("a second command is in another: %v: %s", err, second)
	}
	b, err := os.ReadFile(filepath.Join(dir, "userns"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// It ends a moment after it is killed, and is joined until then.
	third := ""
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(third, "note:") && time.Now().Before(deadline); {
		third, err = enter(t, dir)
	}
	if err != nil || !strings.HasPrefix(third, "note:") {
		t.Errorf("after the holder's end: %v: %s", err, third)
	}
}

func TestEnterNeedsADirectoryOfOnesOwn(t *testing.T) {
	t.Parallel()
	dir := strangersDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if out, err := enter(t, dir); err == nil || !strings.Contains(out, "is not a directory of this user") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := enter(t, "/proc/none"); err == nil || !strings.Contains(out, "$XDG_RUNTIME_DIR") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSubordinate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "subuid")
	text := "# none\nann:100000:65536\nbob:5:0\nann:x:1\n1000:300000:1000\nann:1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]idRange{
		"ann": {{1, 100_000, 65_536}, {65_537, 300_000, 1000}},
		"bob": {{1, 300_000, 1000}},
	} {
		got, err := subordinate(file, name, 1000)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(idRange{})); err != nil || diff != "" {
			t.Errorf("%s: %v: -want +got:\n%s", name, err, diff)
		}
	}
	if _, err := subordinate(file+"x", "ann", 1000); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.ENOSPC, syscall.EPERM} {
		if got := refused(err); !errors.Is(got, errdefs.ErrDenied) || !strings.Contains(got.Error(), "sysctl") {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// The variable alone makes nobody an ordinary user's root.
func TestUIDIsTheKernels(t *testing.T) {
	t.Setenv(Variable, "1000")
	if _, ok := UID(); ok {
		t.Error("the variable is believed")
	}
}
