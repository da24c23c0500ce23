package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestWordsAndCodes goes through every verb with a name that is missing or
// ambiguous, a container in the wrong state, a wrong flag and a wrong value. The
// codes are docker's, and the words say what docker's do.
func TestWordsAndCodes(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do(`cove import -c 'EXPOSE 6379 7000-7001 53/udp' rootfs.tar base
		cove run -d --name runs -p 127.0.0.1:18482:6379 base sleep 1000
		cove run -d --name paused base sleep 1000 && cove pause paused
		cove create --name made base true
		cove run --name ended base sh -c 'exit 3' || true
		cove volume create used && cove create -v used:/v base true
		cove tag base other`)
	// All ids of a root that begin with a digit of which there are two or more.
	digits := map[string]int{}
	for id := range strings.FieldsSeq(k.do("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do cove create base true; done >/dev/null; cove ps -aq")) {
		digits[id[:1]]++
	}
	ambiguous := ""
	for digit, n := range digits {
		if n > 1 {
			ambiguous = digit
		}
	}
	const none = `(?i)no such container`
	table := []struct {
		args string
		code int
		says string // a regular expression of what stderr says; "" is nothing
	}{
		{"ps --nope", 125, `unknown flag: --nope`},
		{"ps extra", 1, `accepts no arguments`},
		{"ps --filter nope=1", 1, `filter`},
		{"ps --format {{.Nope}}", 1, `Nope`},
		{"nope", 1, `unknown command "nope"`},
		{"container nope", 1, `unknown command "nope"`},
		{"run", 1, `requires at least 1 argument`},
		{"run --nope base", 125, `unknown flag: --nope`},
		{"run --memory lots base", 125, `lots`},
		{"run --pull never missing", 125, `(?i)no such image`},
		{"run base nosuch", 127, `executable file not found in \$PATH`},
		{"run base /etc", 126, `permission denied`},
		{"run --name runs base true", 125, `"runs" is in use`},
		{"run -d -p 127.0.0.1:18482:80 base true", 125, `18482.* in use`},
		{"run --network missing base", 125, `missing`},
		{"run --network container:missing base true", 125, none},
		{"create --name runs base true", 1, `"runs" is in use`},
		{"create --name bad/name base true", 1, `invalid container name`},
		{"start runs", 0, ``},
		{"start paused", 1, `cannot start a paused container, try unpause instead`},
		{"stop made", 0, ``},
		{"stop -t x runs", 125, `invalid argument "x"`},
		{"restart -t 0 paused", 0, ``},
		{"pause paused", 0, ``}, // restarted, so it runs
		{"pause paused", 1, `already paused`},
		{"pause made", 1, `not running`},
		{"unpause runs", 1, `not paused`},
		{"kill made", 1, `not running`},
		{"kill -s NOSUCH runs", 1, `NOSUCH`},
		{"rm runs", 1, `is running.*force`},
		{"rm -f missing", 0, none},
		{"rename runs made", 1, `"made" is in use`},
		{"rename runs runs", 1, `same name as its current name`},
		{"rename made bad/name", 1, `invalid container name`},
		{"exec missing true", 1, none},
		{"exec made true", 1, `not running`},
		{"exec paused true", 1, `paused.*unpause`},
		{"exec runs nosuch", 127, `executable file not found in \$PATH`},
		{"exec runs /etc", 126, `permission denied`},
		{"exec -w /nosuch runs true", 126, `/nosuch`},
		{"exec -u nosuch runs true", 126, `unable to find user nosuch`},
		{"exec runs sh -c 'exit 7'", 7, ``},
		{"exec runs sh -c 'kill -9 $$'", 137, ``},
		{"exec runs", 1, `requires at least 2 arguments`},
		{"attach made", 1, `cannot attach to a stopped container, start it first`},
		{"attach paused", 1, `You cannot attach to a paused container, unpause it first`},
		{"start -a ended", 3, ``},
		{"start -a ended made", 1, `attach`},
		{"wait made", 0, ``},
		{"logs --tail x runs", 1, `x`},
		{"logs --since x runs", 1, `x`},
		{"logs made", 0, ``},
		{"top made", 1, `not running`},
		{"top runs -o args", 1, `Couldn't find PID field in ps output`},
		{"top runs -o uid=PID", 1, `not allowed`},
		{"top runs --nope", 1, `nope`},
		{"port made", 0, ``},
		{"port runs 99", 1, `99`},
		{"stats --no-stream made", 0, ``},
		{"inspect --format {{.Nope}} runs", 1, `Nope`},
		{"inspect missing", 1, `(?i)no such`},
		{"cp runs:/nosuch .", 1, `/nosuch`},
		{"cp a b", 1, `container`},
		{"cp runs:/a made:/b", 1, `between containers`},
		{"commit missing x", 1, none},
		{"commit runs BAD", 1, `lower case`},
		{"rmi -f missing", 0, `(?i)no such image`},
		{"rmi missing", 1, `(?i)no such image`},
		{"rmi base", 0, ``},
		{"rmi other", 1, `must force.*container`},
		{"tag missing x", 1, `(?i)no such image`},
		{"tag other BAD", 1, `lower case`},
		{"history missing", 1, `(?i)no such image`},
		{"save missing", 1, `(?i)no such image`},
		{"push missing", 1, `missing`},
		{"image inspect missing", 1, `(?i)no such image`},
		{"load -i nosuch.tar", 1, `nosuch.tar`},
		{"import nosuch.tar", 1, `nosuch.tar`},
		{"volume rm missing", 1, `no such volume`},
		{"volume rm -f missing", 0, `no such volume`},
		{"volume inspect missing", 1, `no such volume`},
		{"volume rm used", 1, `in use`},
		{"volume create bad/name", 1, `bad/name`},
	}
	for verb := range strings.FieldsSeq("start stop restart kill rm pause unpause wait logs top port attach stats diff export") {
		table = append(table, []struct {
			args string
			code int
			says string
		}{
			{verb + " missing", 1, none},
			{verb + " " + ambiguous, 1, `ambiguous`},
			{verb + " --nope runs", 125, `unknown flag: --nope`},
			{verb, map[bool]int{true: 0, false: 1}[verb == "stats"], ``},
		}...)
	}
	for _, tt := range table {
		if tt.args == "stats" {
			continue // goes on without end
		}
		var stderr bytes.Buffer
		cmd := k.command("exec cove " + tt.args)
		cmd.Stderr = &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatalf("%s: %v", tt.args, err)
		}
		if code := cmd.ProcessState.ExitCode(); code != tt.code {
			t.Errorf("%s: code %d, want %d: %s", tt.args, code, tt.code, &stderr)
		}
		quiet := tt.says == "" && tt.code == 0
		if quiet && stderr.Len() > 0 || !regexp.MustCompile(tt.says).Match(stderr.Bytes()) {
			t.Errorf("%s: says %q, want %q", tt.args, &stderr, tt.says)
		}
	}
	for args, want := range map[string]string{
		"ps --filter name=runs --format '{{.Ports}}'":                  "53/udp, 7000-7001/tcp, 127.0.0.1:18482->6379/tcp\n",
		"top runs -o pid,args | sed 1d | sed 's/ *$//; s/^[0-9]* *//'": "sleep 1000\n",
		"top runs | sed 1d | wc -l":                                    "1\n",
		"top runs axf -o pid,args | sed 1d | wc -l":                    "1\n", // f cannot choose pids
		"stats --no-stream --format '{{.Name}} {{.PIDs}}' made":        "made 0\n",
	} {
		if got := k.do("cove " + args); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

// terminal opens a pseudo-terminal.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlocked := 0
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, ours.Fd(), unix.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlocked))); errno != 0 {
		t.Fatal(errno)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// TestDetach leaves sessions by the detach keys: what runs goes on, and the codes
// are docker's: 0 for what run or start started, 1 for what ran before.
func TestDetach(t *testing.T) {
	t.Parallel()
	k := newShell(t)
	k.do("cove import rootfs.tar base && cove create -it --name made base sh")
	for _, tt := range []struct {
		args string
		code int
		keys string
	}{
		{"run -it --name runs base sh", 0, "\x10\x11"},
		{"attach runs", 1, "\x10\x11"},
		{"exec -it runs sh", 1, "\x10\x11"},
		{"start -ai made", 0, "\x10\x11"},
		{"attach --detach-keys ctrl-a,x made", 1, "\x01x"},
		{"exec -it --detach-keys q made sh", 1, "q"},
	} {
		ours, theirs := terminal(t)
		cmd := k.command("exec cove " + tt.args)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var out bytes.Buffer
		go func() {
			buf := make([]byte, 1024)
			for {
				n, err := ours.Read(buf)
				mu.Lock()
				out.Write(buf[:n])
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
		said := func() string {
			mu.Lock()
			defer mu.Unlock()
			return out.String()
		}
		await(t, tt.args+" answers", func() bool {
			_, _ = io.WriteString(ours, "echo $((40+2))\n") // until it is there to hear it
			time.Sleep(20 * time.Millisecond)
			return strings.Contains(said(), "\n42")
		})
		if _, err := io.WriteString(ours, tt.keys); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Fatalf("%s does not end: %q", tt.args, said())
		}
		await(t, tt.args+" says it", func() bool { return strings.Contains(said(), "read escape sequence") })
		if code := cmd.ProcessState.ExitCode(); code != tt.code {
			t.Errorf("%s: code %d, want %d: %q", tt.args, code, tt.code, said())
		}
	}
	if got := k.do("cove ps --format '{{.Names}}' | sort"); got != "made\nruns\n" {
		t.Errorf("what was left runs not: %q", got)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not come about: " + what)
		}
	}
}
