package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell runs commands on a root of its own.
type shell struct {
	t         *testing.T
	bin, work string
}

// newShell is a shell in a directory with rootfs.tar; what runs at the end of the
// test is removed.
func newShell(t *testing.T) *shell {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: containers are made")
	}
	tar, err := rootfsTar()
	if err != nil {
		t.Skip("needs busybox: ", err)
	}
	k := &shell{t: t, bin: binDir(t), work: t.TempDir()}
	if err := os.WriteFile(filepath.Join(k.work, "rootfs.tar"), tar, 0o600); err != nil {
		t.Fatal(err)
	}
	// There may be none. Bridges of networks that people made outlive containers.
	t.Cleanup(func() { _ = k.command("cove rm -f $(cove ps -aq); cove network prune -f").Run() })
	return k
}

func (k *shell) command(script string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = k.work
	cmd.Env = append(os.Environ(), "PATH="+k.bin+":"+os.Getenv("PATH"), "COVE_ROOT="+k.root())
	return cmd
}

func (k *shell) root() string { return filepath.Join(k.work, "state") }

// do runs a command that must succeed.
func (k *shell) do(script string) string {
	k.t.Helper()
	out, err := k.command(script).CombinedOutput()
	if err != nil {
		k.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// kill runs a command and kills it, with all that it started in its session,
// after a while. It reports whether it was still there to be killed.
func (k *shell) kill(script string, after time.Duration) bool {
	k.t.Helper()
	cmd := k.command("exec " + script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	time.Sleep(after)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	_ = cmd.Wait()                                      // its end is what was asked for
	return !cmd.ProcessState.Exited()
}

// killMonitors kills every monitor of the root.
func (k *shell) killMonitors() {
	cmdlines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range cmdlines {
		line, err := os.ReadFile(name)
		if err == nil && bytes.Contains(line, []byte("\x00monitor\x00")) && bytes.Contains(line, []byte(k.root())) {
			var pid int
			if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// clear removes all that was made, and what is left behind.
func (k *shell) clear() {
	k.t.Helper()
	k.do(`ids=$(cove ps -aq) && if [ -n "$ids" ]; then cove rm -f $ids; fi`)
	k.do(`v=$(cove volume ls -q) && if [ -n "$v" ]; then cove volume rm $v; fi`)
	k.do("cove system prune -a --volumes -f")
	k.do("cove build history rm --all") // killed builds are in it too
	k.do("cove doctor")                 // no group, device, rule, address or lock is anybody's that is gone
}

// files are the names in the root.
func (k *shell) files() (names []string) {
	k.t.Helper()
	err := filepath.WalkDir(k.root(), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Base(filepath.Dir(path)) != "records" { // directories by the first digits of keys
			names = append(names, strings.TrimPrefix(path, k.root()))
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return names
}

// machine is what of this root is seen from outside of it.
func (k *shell) machine() (left []string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		k.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, k.work) {
			left = append(left, "mount "+line)
		}
	}
	return left
}

// TestKilledAnywhere kills each verb again and again, each time a little later,
// and its container's monitor now and then. After a removal of what is listed
// and a prune, the root holds what it held before. T30.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	files := map[string]string{"Dockerfile": "FROM keep\nARG N\nCOPY big /big\nRUN echo $N; sleep 0.01; cp /big /bigger\n", "big": strings.Repeat("0123456789abcdef", 1<<17)}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(k.work, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.do("cove import -c 'VOLUME /etc' rootfs.tar keep; cove save -o saved.tar keep")
	verbs := []struct{ name, before, verb string }{
		{"create", "", "cove create -v named:/etc -v /bin keep true"},
		{"run", "", "cove run -v named:/etc -p 18480:80 keep sleep 0.02"},
		{"run --rm", "", "cove run --rm -v /bin -p 18480:80 keep sleep 0.02"},
		{"run -d", "", "cove run -d -p 18481:80/udp keep sleep 1000"},
		{"start", "cove create --name cc keep sleep 1000", "cove start cc"},
		{"restart", "cove run -d --name cc keep sleep 1000", "cove restart -t 0 cc"},
		{"stop", "cove run -d --rm --name cc -v /bin keep sleep 1000", "cove stop -t 0 cc"},
		{"exec", "cove run -d --name cc keep sleep 1000", "cove exec cc cp /bin/busybox /tmp/x"},
		{"rm -fv", "cove run -d --name cc keep sleep 1000", "cove rm -fv cc"},
		{"rename", "cove create --name cc keep true", "cove rename cc another"},
		{"cp in", "cove create --name cc keep true", "cove cp big cc:/big"},
		{"cp out", "cove create --name cc keep true", "cove cp cc:/bin/busybox out"},
		{"commit", "cove run -d --name cc keep sh -c 'cp /bin/busybox /x; sleep 1000'", "cove commit cc committed"},
		{"export", "cove create --name cc keep true", "cove export -o exported.tar cc"},
		{"volume create", "", "cove volume create made"},
		{"volume rm", "cove volume create made", "cove volume rm made"},
		{"tag", "", "cove tag keep tagged"},
		{"rmi", "cove tag keep tagged", "cove rmi tagged"},
		{"load", "", "cove load -q -i saved.tar"},
		{"import", "", "cove import rootfs.tar imported"},
		{"build", "", "cove build -q --build-arg N=%d -t built ."},
		{"prune", "cove run keep true; cove tag keep tagged", "cove system prune -f --volumes"},
	}
	rounds := soaked(4, 20)
	if testing.Short() {
		rounds = 2
	}
	took := map[string]time.Duration{}
	round := func(i int, kills bool) {
		k.do("cove load -q -i saved.tar")
		for v, verb := range verbs {
			k.do("cove rm -f cc >/dev/null 2>&1; " + verb.before)
			script := verb.verb
			if strings.Contains(script, "%d") {
				script = fmt.Sprintf(script, i)
			}
			if !kills {
				begin := time.Now()
				k.do(script)
				took[verb.name] = time.Since(begin)
				continue
			}
			k.kill(script, took[verb.name]*time.Duration(i)/time.Duration(rounds+1))
			if (i+v)%3 == 0 {
				k.killMonitors()
			}
		}
	}
	round(0, false)
	k.clear()
	before, machine := k.files(), k.machine()
	for i := range rounds {
		round(i+1, true)
	}
	k.clear()
	t.Logf("T30: %d kills of %d verbs", rounds*len(verbs), len(verbs))
	left := slices.DeleteFunc(k.files(), func(name string) bool { return slices.Contains(before, name) })
	for _, name := range left {
		t.Error("left behind: ", name)
	}
	for _, what := range k.machine() {
		if !slices.Contains(machine, what) {
			t.Error("left behind: ", what)
		}
	}
}

// TestKilledRuntime kills the OCI runtime's commands again and again, each time a little
// later. A delete --force then leaves no state, and no control group with a process. T30.
func TestKilledRuntime(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	id := fmt.Sprintf("killed-%d", os.Getpid())
	k.do("cove import rootfs.tar box && cove create --name cc box true && mkdir -p bundle/rootfs && " +
		"cove export cc | tar x -C bundle/rootfs && cove-runtime spec -b bundle && " +
		`sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/' bundle/config.json`)
	const runtime = "cove-runtime --root rt "
	verbs := []struct{ before, verb string }{
		{"", "create -b bundle "},
		{"", "run -d -b bundle "},
		{"", "run -b bundle "},
		{"create -b bundle ", "start "},
		{"run -d -b bundle ", "exec "},
		{"run -d -b bundle ", "delete -f "},
		{"run -d -b bundle ", "pause "},
	}
	rounds, killed := soaked(3, 30), 0
	for _, verb := range verbs {
		script := runtime + verb.verb + id
		switch verb.verb {
		case "exec ":
			script += " true"
		case "run -b bundle ":
			script = "timeout -s KILL 1 " + script // its container is its child, and ends with it
		}
		took := time.Second / 4
		for i := range rounds + 1 {
			if verb.before != "" {
				k.do(runtime + verb.before + id + " >out 2>&1 </dev/null")
			}
			if begin := time.Now(); i == 0 && !strings.HasPrefix(script, "timeout") {
				k.do(script + " >out 2>&1 </dev/null")
				took = time.Since(begin)
			} else if k.kill(script, took*time.Duration(i)/time.Duration(rounds+1)) {
				killed++
			}
			k.do(runtime + "delete -f " + id)
			// A group that is gone had no process left.
			if left := k.do("find /sys/fs/cgroup -name " + id + " 2>/dev/null; ls rt"); left != "" {
				t.Fatalf("%s, killed at %d of %d: left behind: %s", script, i, rounds, left)
			}
		}
	}
	t.Logf("T30: %d kills of %d commands of the runtime", killed, len(verbs))
	if mounts := k.machine(); len(mounts) > 0 {
		t.Error("left behind: ", mounts)
	}
}
