package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// account makes an ordinary user of this machine, whose name and home are $ACCOUNT and
// $ACCOUNT_HOME; with "alone" one without ids for containers, with "many" one with ids
// for several user namespaces. It goes with the story, as do its processes.
func account(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: account [alone|many]")
	}
	name := "cove-" + strings.ToLower(rand.Text()[:8])
	home, err := os.MkdirTemp("", name+"-")
	ts.Check(err)
	more := []string{}
	if len(args) > 0 {
		count := map[string]string{"alone": "0", "many": "200000"}[args[0]]
		more = []string{"-K", "SUB_UID_COUNT=" + count, "-K", "SUB_GID_COUNT=" + count}
	}
	add := append(more, "--shell", "/bin/sh", "--home-dir", home, "--no-create-home", name)
	ts.Check(ts.Exec("useradd", add...))
	ts.Defer(func() {
		endProcesses(name)
		for _, cmd := range [][]string{{"userdel", name}, {"rm", "-rf", home}} {
			if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
				ts.Logf("%v: %v: %s", cmd, err, out)
			}
		}
	})
	ts.Check(ts.Exec("chown", name+":", home))
	body, err := rootfsTar()
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(home, "rootfs.tar"), body, 0o644))
	ts.Setenv("ACCOUNT", name)
	ts.Setenv("ACCOUNT_HOME", home)
}

// endProcesses ends those of an account that was made for a story: what holds its user
// namespace, and containers that a failed story left.
func endProcesses(name string) {
	u, err := user.Lookup(name)
	if err != nil {
		return
	}
	for left := true; left; time.Sleep(10 * time.Millisecond) {
		left = false
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			pid, perr := strconv.Atoi(filepath.Base(dir))
			if err != nil || perr != nil || strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)) != u.Uid {
				continue
			}
			left = true
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// login runs a script of the story in a login shell of $ACCOUNT, on a machine where
// /dev/net/tun is open to all, as udev leaves it. With "-delegated" the shell is in
// control groups that were handed to the account.
func login(ts *testscript.TestScript, neg bool, args []string) {
	delegated := len(args) > 0 && args[0] == "-delegated"
	if delegated {
		args = args[1:]
	}
	if len(args) != 1 {
		ts.Fatalf("usage: login [-delegated] SCRIPT")
	}
	name, home := ts.Getenv("ACCOUNT"), ts.Getenv("ACCOUNT_HOME")
	script := fmt.Sprintf("PATH=%s:/usr/local/bin:/usr/bin:/bin\nCOVE_CERTS_DIR=%s\nexport PATH COVE_CERTS_DIR\n%s",
		filepath.Dir(commandPath(ts, "cove")), ts.Getenv("COVE_CERTS_DIR"), ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(filepath.Join(home, "script"), []byte(script), 0o644))
	setup := `mount -t tmpfs none /mnt && mknod -m 666 /mnt/tun c 10 200 && mount --bind /mnt/tun /dev/net/tun && umount -l /mnt`
	if delegated {
		setup += " && " + delegation(ts, name)
	}
	err := ts.Exec("unshare", "--mount", "sh", "-c", setup+` && exec su - "$0" -c "exec sh -e ./script"`, name)
	if neg && err == nil {
		ts.Fatalf("unexpected success")
	}
	if !neg {
		ts.Check(err)
	}
}

func commandPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	ts.Fatalf("no %s in $PATH", name)
	return ""
}

// delegation is what puts a shell into groups that are name's, as systemd does for
// the services of a user.
func delegation(ts *testscript.TestScript, name string) string {
	dirs := []string{"/sys/fs/cgroup/memory/" + name, "/sys/fs/cgroup/pids/" + name, "/sys/fs/cgroup/freezer/" + name}
	leaf := ""
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		dirs, leaf = []string{"/sys/fs/cgroup/" + name}, "/shell"
	}
	var steps []string
	for _, dir := range dirs {
		if leaf != "" {
			steps = append(steps, "echo +memory +pids > /sys/fs/cgroup/cgroup.subtree_control")
		}
		steps = append(steps, "mkdir -p "+dir+leaf, "chown -R "+name+": "+dir, "echo $$ > "+dir+leaf+"/cgroup.procs")
		ts.Defer(func() {
			// The shell has ended, and cove's groups are empty.
			if out, err := exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").CombinedOutput(); err != nil {
				ts.Logf("removing %s: %v: %s", dir, err, out)
			}
		})
	}
	return strings.Join(steps, " && ")
}

// An account needs what the Makefile installs.
func TestAccountsNeed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"useradd", "su", "newuidmap", "newgidmap", "pasta", "slirp4netns"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Errorf("%s: %v; make deps-test installs it", name, err)
		}
	}
}
