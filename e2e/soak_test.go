package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soaked is how often something is done: all with COVE_SOAK=1, few without.
func soaked(few, all int) int {
	value := os.Getenv("COVE_SOAK")
	if most, err := strconv.Atoi(value); err == nil && most > 1 {
		return min(most, all)
	}
	if value != "" {
		return all
	}
	return few
}

// TestStartsLeakNothing starts containers of every kind, eight at once, and wants the root,
// and the machine, as they were. T33.
func TestStartsLeakNothing(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import -c 'VOLUME /of-image' rootfs.tar box; cove network create soak; cove run --rm --network soak box true")
	kinds := []string{
		"cove run --rm --network none box true",
		"cove run --rm -p 127.0.0.1::80 box true",
		"cove run --rm --network soak -v soaked:/v box true",
		"cove run --rm -d --network none box sleep 0.01",
		"cove run --rm -t --init --memory 64m box true",
		"cove run --network none box false; [ $? = 1 ]",
		"! cove run --rm --network none box nonexist 2>/dev/null",
		"cove run --rm --userns auto --network none box true",
	}
	for _, script := range kinds { // what is made once for a root stays
		k.do(script)
	}
	k.clearContainers()
	before, machine := k.files(), k.machine()
	starts := soaked(16, 10_000)
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(starts); i = next.Add(1) {
				script := kinds[int(i)%len(kinds)]
				if out, err := k.command(script).CombinedOutput(); err != nil {
					failed.Add(1)
					t.Errorf("%s: %v\n%s", script, err, out)
				}
			}
		})
	}
	workers.Wait()
	k.clearContainers()
	left := k.left(before, machine)
	t.Logf("T33: %d starts, %d failed, %d things left", starts, failed.Load(), left)
}

// clearContainers removes containers and volumes, after those of --rm -d are gone.
func (k *shell) clearContainers() {
	k.t.Helper()
	for range 100 {
		if k.do("cove ps -q") == "" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	k.do(`ids=$(cove ps -aq) && if [ -n "$ids" ]; then cove rm -f $ids; fi; cove volume prune -af; cove doctor`)
}

// left tells of files of the root, and of what is seen outside of it, that were not there
// before.
func (k *shell) left(files, machine []string) (n int) {
	k.t.Helper()
	had := map[string]bool{}
	for _, what := range append(files, machine...) {
		had[what] = true
	}
	for _, what := range append(k.files(), k.machine()...) {
		// The log of events is in two parts when so much was told.
		if !had[what] && !strings.HasSuffix(what, "/events/log.1") {
			n++
			k.t.Error("left behind: ", what)
		}
	}
	return n
}

// monitorOf is what the process that is a container's parent has: descriptors, threads, and
// bytes in memory.
func (k *shell) monitorOf(name string) (fds, threads int, rss int64) {
	k.t.Helper()
	pid := strings.TrimSpace(k.do("cut -d' ' -f4 /proc/$(cove inspect -f '{{.State.Pid}}' " + name + ")/stat"))
	entries, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		k.t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		k.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		switch field, value, _ := strings.Cut(line, ":"); field {
		case "Threads":
			threads, _ = strconv.Atoi(strings.TrimSpace(value))
		case "VmRSS":
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			rss = kib << 10
		}
	}
	return len(entries), threads, rss
}

// mostMemory is what a monitor may have, in bytes, a while after it started a container, and
// after much output.
const mostMemory = 7 << 20

// rested is what the monitor of a container has in memory when it had time to return what it
// does not need.
func (k *shell) rested(name string) (rss int64) {
	k.t.Helper()
	for range 100 {
		if _, _, rss = k.monitorOf(name); rss <= mostMemory {
			return rss
		}
		time.Sleep(200 * time.Millisecond)
	}
	k.t.Errorf("the monitor of %s has %d KiB, more than %d", name, rss>>10, mostMemory>>10)
	return rss
}

// TestExecsLeakNothing joins one container again and again, by exec and by health checks,
// some of which fail or hang: afterwards its monitor has no more than before.
func TestExecsLeakNothing(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar box")
	k.do("cove run -d --name cc --network none --health-interval 20ms --health-timeout 200ms --health-retries 1000000 " +
		"--health-cmd 'echo x >>/checks; case $(($(wc -c </checks) / 2 % 100)) in 3) exit 1;; 7) sleep 1000 & sleep 1000;; esac' box sleep 1000000")
	execs, checks := soaked(20, 10_000), soaked(20, 10_000)
	script := func(i int) string {
		switch i % 5 {
		case 1:
			return "cove exec -t cc true >/dev/null"
		case 2:
			return "! cove exec cc nonexist 2>/dev/null"
		case 3:
			return "cove exec -d cc true"
		case 4:
			return "echo x | cove exec -i cc cat >/dev/null"
		}
		return "cove exec cc true"
	}
	for i := range 10 { // what a monitor keeps from its first ones
		k.do(script(i))
	}
	fds, _, _ := k.monitorOf("cc")
	files := k.files()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(execs); i = next.Add(1) {
				if out, err := k.command(script(int(i))).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", script(int(i)), err, out)
				}
			}
		})
	}
	workers.Wait()
	k.do(fmt.Sprintf("until [ $(cove exec cc sh -c 'wc -c </checks') -ge %d ]; do sleep 0.2; done", 2*checks))
	k.do("cove pause cc") // no check is under way then, for who is frozen is not asked
	k.do("cove unpause cc; cove exec cc true")
	left := 0
	for _, name := range k.files() {
		// The log of events is in two parts when so much was told.
		if !strings.Contains(strings.Join(files, "\n"), name) && !strings.Contains(name, "/.") &&
			!strings.HasSuffix(name, "/events/log.1") {
			left++
			t.Error("left behind: ", name)
		}
	}
	var now, threads int
	var rss int64
	for range 100 { // a check that is under way has some
		if now, threads, rss = k.monitorOf("cc"); now <= fds {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if now > fds {
		t.Errorf("the monitor has %d descriptors, before %d", now, fds)
	}
	k.do("cove run -d --name idle --network none box sleep 1000000")
	t.Logf("a monitor that nobody asks: %d KiB", k.rested("idle")>>10)
	t.Logf("%d execs and %d health checks, %d files and %d descriptors left; monitor: %d threads, %d KiB",
		execs, checks, left, max(0, now-fds), threads, rss>>10)
}

// TestLimitsAreExact: fork bombs, memory and logs stop at their limits, and cost whoever
// watches them no memory. T29.
func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar box")
	rounds, logged := soaked(1, 10), soaked(16, 1024)
	for range rounds {
		most := strings.TrimSpace(k.do("cove run --rm --network none --pids-limit 30 box sh -c " +
			"'i=0; while [ $i -lt 200 ]; do i=$((i+1)); sleep 1000 & done 2>/dev/null; ls /proc | grep -c ^[0-9]' || true"))
		if n, err := strconv.Atoi(most); most != "" && (err != nil || n > 30) {
			t.Errorf("a limit of 30 processes let %q run", most)
		}
		k.do("cove run -d --name cc --network none --pids-limit 30 box sh -c 'bomb() { bomb | bomb & }; bomb; exec sleep 1000'")
		for range 20 {
			n, err := strconv.Atoi(strings.TrimSpace(k.do("cove stats --no-stream --format '{{.PIDs}}' cc")))
			if err != nil || n > 30 {
				t.Errorf("a limit of 30 processes: %d run, %v", n, err)
			}
		}
		k.do("cove rm -f cc")
		if code := strings.TrimSpace(k.do("cove run --rm --network none --memory 24m box sh -c 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'; echo $?")); code != "137" {
			t.Errorf("a limit of 24 MiB: ended with %s", code)
		}
	}
	k.do(fmt.Sprintf("cove run -d --name cc --network none --log-opt max-size=1m --log-opt max-file=2 box sh -c "+
		"'head -c %dM /dev/zero | tr \"\\0\" x | fold -w 100; echo done >/done; exec sleep 1000'", logged))
	k.do("until cove exec cc test -e /done 2>/dev/null; do sleep 0.2; done")
	rss := k.rested("cc")
	size := k.do("cat $(dirname $(cove inspect -f '{{.LogPath}}' cc))/*-json.log* | wc -c")
	if n, err := strconv.ParseInt(strings.TrimSpace(size), 10, 64); err != nil || n > 2<<20+4096 {
		t.Errorf("two files of 1 MiB have %s bytes", size)
	}
	t.Logf("T29: %d rounds of fork bombs and memory, %d MiB of output: limits exact, monitor %d KiB", rounds, logged, rss>>10)
}

// swap exchanges a directory and a link to one of the host, as fast as it can, until done.
func swap(t *testing.T, dir string, done <-chan struct{}, swaps *atomic.Int64) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Errorf("%s: %v", dir, err)
		return
	}
	defer unix.Close(fd)
	for {
		select {
		case <-done:
			return
		default:
		}
		for range 64 {
			if err := unix.Renameat2(fd, "a", fd, "b", unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("exchanging in %s: %v", dir, err)
				return
			}
		}
		swaps.Add(64)
	}
}

// TestSwaps has verbs work on paths of a container of which a directory becomes a link to the
// host's, and is one again, meanwhile: nothing is read from there, and nothing written. T23.
func TestSwaps(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar box")
	host := filepath.Join(k.work, "host")
	prepared := func(dir string) string {
		return fmt.Sprintf("mkdir -p %[1]s/a/sub && echo inside >%[1]s/a/file && echo inside >%[1]s/a/sub/file && ln -s %[2]s %[1]s/b", dir, host)
	}
	k.do("mkdir -p host/sub && echo of-the-host >host/file && echo of-the-host >host/sub/file && echo written >mine && mkdir tree && cp mine tree/")
	k.do("cove run -d --name cc -v vol:/vol --network none box sh -c '" + prepared("/race") + " && " + prepared("/vol") + " && echo >/ready && exec sleep 1000000'")
	k.do("until cove exec cc test -e /ready; do sleep 0.1; done")
	inside := "/proc/" + strings.TrimSpace(k.do("cove inspect -f '{{.State.Pid}}' cc")) + "/root"
	was := k.do("ls -lR --time-style=full-iso host")
	verbs := []struct{ race, script string }{
		{"/race", "cove cp cc:/race/a/file - | tar xO"},
		{"/race", "cove cp cc:/race/a - | tar xO"},
		{"/race", "cove cp cc:/race/a/sub/. - | tar xO"},
		{"/race", "cove cp -L cc:/race/a/file out && cat out"},
		{"/race", "cove cp mine cc:/race/a/"},
		{"/race", "cove cp mine cc:/race/a/sub/new"},
		{"/race", "cove cp tree cc:/race/a/"},
		{"/race", "tar c mine | cove cp - cc:/race/a/sub"},
		{"/race", "cove exec -w /race/a cc cat file"},
		{"/race", "cove exec -w /race/a/sub cc sh -c 'cat file ../../../../../../../.." + host + "/file'"},
		{"/race", "cove export cc | tar xO race/a/file race/a/sub/file"},
		{"/race", "cove commit --pause=false cc copied >/dev/null && cove run --rm --network none box true"},
		{"/vol", "cove run --rm --network none --mount type=volume,src=vol,dst=/x,volume-subpath=a box cat /x/file"},
		{"/vol", "cove run --rm --network none --mount type=volume,src=vol,dst=/x,volume-subpath=a/sub box sh -c 'cat /x/file; echo written >/x/new'"},
		{"/vol", "cove run --rm --network none -v vol:/x --tmpfs /x/a/made box sh -c 'cat /x/a/file /x/a/sub/file'"},
		{"/vol", "cove run --rm --network none -v vol:/x -v other:/x/a/sub/deep/er box true"},
		{"/vol", "cove run --rm --network none -v vol:/x -w /x/a/sub/place box pwd"},
		{"/vol", "cove run --rm --network none -v vol:/x -v " + k.work + "/mine:/x/a/bound box cat /x/a/file"},
		{"/vol", "cove cp mine cc:/vol/a/sub/"},
		{"/vol", "cove run --rm --network none -v vol:/etc --mount type=bind,src=" + k.work + "/mine,dst=/etc/a/passwd box true"},
	}
	least := int64(soaked(1_000, 100_000))
	all := int64(0)
	runs := 0
	for _, v := range verbs {
		var swaps atomic.Int64
		done := make(chan struct{})
		var swapper sync.WaitGroup
		swapper.Go(func() { swap(t, inside+v.race, done, &swaps) })
		for first := true; first || swaps.Load() < least; first = false {
			runs++
			out, _ := k.command(v.script).CombinedOutput() // it may fail: what it named is a link now and then
			if bytes.Contains(out, []byte("of-the-host")) {
				t.Errorf("%s read the host's: %s", v.script, out)
			}
			if t.Failed() {
				break
			}
		}
		close(done)
		swapper.Wait()
		all += swaps.Load()
		if now := k.do("ls -lR --time-style=full-iso host"); now != was {
			t.Fatalf("%s changed what is the host's:\n%s\nwas\n%s", v.script, now, was)
		}
	}
	t.Logf("T23: %d verbs, %d runs, %d exchanges, 0 escapes", len(verbs), runs, all)
}

// TestOpenFiles: no process of a container has a file open that is not its own. T28.
func TestOpenFiles(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar box")
	k.do("exec 7</etc/passwd 8</; cove run -d --name cc --network none box sleep 1000")
	const list = "sh -c 'ls -l /proc/$$/fd 2>/dev/null | sed -n \"s/.* -> //p\"'"
	for _, script := range []string{
		"exec 7</etc/passwd 8</; cove run --rm --network none box " + list, "cove run --rm -i --network none box " + list + " </dev/null", "cove run --rm -t --network none box " + list,
		"cove run --rm --init --network none box " + list, "cove run --rm --privileged box " + list, "cove run --rm --userns auto box " + list,
		"exec 7</etc/passwd 8</; cove exec cc " + list, "cove exec -t cc " + list, "cove exec --privileged -w /tmp cc " + list,
	} {
		for line := range strings.Lines(strings.ReplaceAll(k.do(script), "\r", "")) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "pipe:") && !strings.HasPrefix(line, "/dev/pts/") && line != "/dev/null" && line != "/dev/console" {
				t.Errorf("%s: %s is open", script, line)
			}
		}
	}
}
