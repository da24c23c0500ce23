package program

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/sandbox/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCode holds the machine code: what changes here has to be read again,
// instruction by instruction (objdump -D -b binary -m i386:x86-64, or -m aarch64).
func TestCode(t *testing.T) {
	t.Parallel()
	for _, goarch := range []string{"amd64", "arm64"} {
		a, err := native(goarch)
		if err != nil {
			t.Fatal(err)
		}
		got := hex.Dump(a.code(loop{table: tableAddr, failure: valueAddr, status: 5}))
		file := filepath.Join("testdata", goarch+".hex")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the code changed:\n%s", goarch, got)
		}
	}
	if _, err := native("vax"); err == nil {
		t.Error("vax: no error")
	}
}

func number(n uint64) plan.Arg     { return plan.Arg{Num: n} }
func text(s string) plan.Arg       { return plan.Arg{Kind: plan.String, Str: s} }
func value(v plan.Value) plan.Arg  { return plan.Arg{Kind: plan.Result, Num: uint64(v)} }
func buffer(v plan.Value) plan.Arg { return plan.Arg{Kind: plan.Buffer, Num: uint64(v)} }

// print writes text to standard output.
func print(s string) plan.Step {
	return plan.Step{Call: "write", Args: []plan.Arg{number(1), text(s), number(uint64(len(s)))}}
}

func exit(code uint64) plan.Step {
	return plan.Step{Call: "exit_group", Args: []plan.Arg{number(code)}}
}

// open opens name for reading; it is the call that fails when asked to.
func open(name string, s plan.Step) plan.Step {
	s.Call = "openat"
	s.Args = []plan.Arg{number(1<<64 - 100), text(name), number(0), number(0)}
	return s
}

// outcome is what a program did.
type outcome struct {
	out     string
	records []Record
	code    int
}

// command is the program of a plan, on this processor or emulated.
func command(t *testing.T, goarch string, p *plan.Plan) *exec.Cmd {
	t.Helper()
	a, err := native(goarch)
	if err != nil {
		t.Fatal(err)
	}
	image, err := build(a, p, Input{FirstFD: 2})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "program")
	// A fork meanwhile would keep the file open for writing, and execve fail.
	syscall.ForkLock.RLock()
	err = os.WriteFile(file, image, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), file)
	if goarch != runtime.GOARCH {
		emulator, err := exec.LookPath(map[string]string{"arm64": "qemu-aarch64-static", "amd64": "qemu-x86_64-static"}[goarch])
		if err != nil {
			t.Skipf("needs qemu-user-static to run %s programs", goarch)
		}
		cmd = exec.CommandContext(t.Context(), emulator, file)
	}
	return cmd
}

// execute runs a plan with gate bytes waiting.
func execute(t *testing.T, goarch string, p *plan.Plan, gate string) outcome {
	t.Helper()
	cmd := command(t, goarch, p)
	gateR, gateW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	statusR, statusW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer gateR.Close()
	defer statusR.Close()
	if _, err := gateW.WriteString(gate); err != nil {
		t.Fatal(err)
	}
	gateW.Close()
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.ExtraFiles = []*os.File{gateR, statusW}
	err = cmd.Run()
	statusW.Close()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	o := outcome{out: out.String(), code: cmd.ProcessState.ExitCode()}
	var b [RecordSize]byte
	for {
		if n, err := statusR.Read(b[:]); n != len(b) || err != nil {
			break
		}
		o.records = append(o.records, Decode(b))
	}
	return o
}

func TestExecution(t *testing.T) {
	t.Parallel()
	missing := []unix.Errno{unix.ENOENT}
	for name, tt := range map[string]struct {
		steps []plan.Step
		gate  string
		want  outcome
	}{
		"calls": {steps: []plan.Step{print("a"), print("b"), exit(7)}, want: outcome{out: "ab", code: 7}},
		"failure": {
			steps: []plan.Step{print("a"), open("/no/such", plan.Step{}), print("b")},
			want:  outcome{out: "a", code: ExitCode, records: []Record{{1, uint32(unix.ENOENT)}}},
		},
		"accepted":      {steps: []plan.Step{open("/no/such", plan.Step{Accept: []unix.Errno{1, 3, 4, unix.ENOENT}}), print("b"), exit(0)}, want: outcome{out: "b"}},
		"accepted, all": {steps: []plan.Step{open("/no/such", plan.Step{Accept: []unix.Errno{plan.AnyError}}), print("b"), exit(0)}, want: outcome{out: "b"}},
		"another accepted": {
			steps: []plan.Step{open("/no/such", plan.Step{Accept: []unix.Errno{unix.EPERM}}), print("b")},
			want:  outcome{code: ExitCode, records: []Record{{0, uint32(unix.ENOENT)}}},
		},
		"skip on error":  {steps: []plan.Step{open("/no/such", plan.Step{Accept: missing, OnError: 2}), print("b"), print("c"), print("d"), exit(0)}, want: outcome{out: "d"}},
		"skip on ok":     {steps: []plan.Step{open("/", plan.Step{OnOK: 1}), print("b"), print("c"), exit(0)}, want: outcome{out: "c"}},
		"noted":          {steps: []plan.Step{open("/no/such", plan.Step{Accept: missing, Note: true}), exit(0)}, want: outcome{records: []Record{{0, uint32(unix.ENOENT)}}}},
		"result":         {steps: []plan.Step{open("/", plan.Step{Result: 1}), {Call: "fchdir", Args: []plan.Arg{value(1)}}, {Call: "getcwd", Args: []plan.Arg{buffer(2), number(100)}, Result: 3}, {Call: "write", Args: []plan.Arg{number(1), buffer(2), value(3)}}, exit(0)}, want: outcome{out: "/\x00"}},
		"check":          {steps: []plan.Step{open("/", plan.Step{Result: 1}), {Op: plan.Check, Args: []plan.Arg{value(1), number(0xff), number(5)}, Errno: unix.EXDEV}, exit(0)}},
		"check fails":    {steps: []plan.Step{open("/", plan.Step{Result: 1}), {Op: plan.Check, Args: []plan.Arg{value(1), number(0xff), number(6)}, Errno: unix.EXDEV}, exit(0)}, want: outcome{code: ExitCode, records: []Record{{1, uint32(unix.EXDEV)}}}},
		"check of error": {steps: []plan.Step{open("/no/such", plan.Step{Result: 1, Accept: missing}), {Op: plan.Check, Args: []plan.Arg{value(1), number(1 << 63), number(0)}, Errno: unix.EACCES, Accept: []unix.Errno{unix.EACCES}, OnOK: 1}, print("late"), exit(0)}, want: outcome{out: "late"}},
		"barrier":        {steps: []plan.Step{print("a"), {Op: plan.Barrier, Result: 1}, print("b"), exit(0)}, gate: "x", want: outcome{out: "ab", records: []Record{{1, 0}}}},
		"parent gone": {
			steps: []plan.Step{print("a"), {Op: plan.Barrier, Result: 1}, print("b"), exit(0)},
			want:  outcome{out: "a", code: ExitCode, records: []Record{{1, 0}, {1, uint32(unix.ECANCELED)}}},
		},
		"exec": {steps: []plan.Step{{Call: "execve", Args: []plan.Arg{text("/bin/echo"), {Kind: plan.Strings, List: []string{"echo", "hello", ""}}, {Kind: plan.Strings}}}}, want: outcome{out: "hello \n"}},
		"octal": {steps: []plan.Step{
			{Call: "umask", Args: []plan.Arg{number(0o710)}},
			{Call: "umask", Args: []plan.Arg{number(0o026)}, Result: 1},
			{Op: plan.Octal, Args: []plan.Arg{value(1), buffer(2)}},
			{Call: "write", Args: []plan.Arg{number(1), buffer(2), number(5)}},
			exit(0),
		}, want: outcome{out: "0710\x00"}},
		"store": {steps: []plan.Step{
			{Op: plan.Store, Args: []plan.Arg{number('a' | 'b'<<8), buffer(2)}},
			open("/no/such", plan.Step{Result: 1, Accept: missing}),
			{Op: plan.Store, Args: []plan.Arg{number('c'), {Kind: plan.Buffer, Num: 2, Offset: 2}}},
			{Call: "umask", Args: []plan.Arg{number('d')}},
			{Call: "umask", Result: 3},
			{Op: plan.Store, Args: []plan.Arg{value(3), {Kind: plan.Buffer, Num: 2, Offset: 3}}},
			{Call: "write", Args: []plan.Arg{number(1), buffer(2), number(5)}},
			exit(0),
		}, want: outcome{out: "abcd\x00"}},
		"inherited": {steps: []plan.Step{{Call: "write", Args: []plan.Arg{{Kind: plan.Inherited, Num: 9}, text("a"), number(1)}, Accept: []unix.Errno{unix.EBADF}}, exit(0)}},
	} {
		for _, goarch := range []string{"amd64", "arm64"} {
			t.Run(goarch+"/"+name, func(t *testing.T) {
				t.Parallel()
				if goarch != runtime.GOARCH && name == "exec" {
					t.Skip("the emulator cannot exec")
				}
				got := execute(t, goarch, &plan.Plan{Steps: tt.steps}, tt.gate)
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		}
	}
}

// TestEnding ends a program at a barrier by a signal that it has a handler for.
func TestEnding(t *testing.T) {
	t.Parallel()
	for _, goarch := range []string{"amd64", "arm64"} {
		t.Run(goarch, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, goarch, &plan.Plan{Steps: []plan.Step{
				{Call: "rt_sigaction", Args: []plan.Arg{number(uint64(unix.SIGTERM)), {Kind: plan.Ending}, number(0), number(8)}},
				print("a"),
				{Op: plan.Barrier, Result: 1},
				print("b"), exit(0),
			}})
			gateR, gateW, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer gateW.Close()
			defer gateR.Close()
			statusR, statusW, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer statusR.Close()
			var out bytes.Buffer
			cmd.Stdout, cmd.ExtraFiles = &out, []*os.File{gateR, statusW}
			err = cmd.Start()
			statusW.Close()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := statusR.Read(make([]byte, RecordSize)); n != RecordSize || err != nil {
				t.Errorf("no record of the barrier: %d, %v", n, err)
			}
			if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // how it ended is looked at
			if code := cmd.ProcessState.ExitCode(); code != 128+int(unix.SIGTERM) || out.String() != "a" {
				t.Errorf("ended with %v, having printed %q", cmd.ProcessState, &out)
			}
		})
	}
}

func TestFork(t *testing.T) {
	t.Parallel()
	for _, goarch := range []string{"amd64", "arm64"} {
		t.Run(goarch, func(t *testing.T) {
			t.Parallel()
			got := execute(t, goarch, &plan.Plan{Steps: []plan.Step{
				print("a"),
				{Op: plan.Fork, Call: "clone", Args: []plan.Arg{number(uint64(unix.SIGCHLD))}, Result: 1},
				print("child"), exit(3),
			}}, "")
			if !strings.HasPrefix(got.out, "a") || got.code != 0 || len(got.records) != 1 {
				t.Fatalf("got %v", got)
			}
			if pid, ok := got.records[0].Forked(); !ok || pid <= 1 {
				t.Errorf("pid %d, %v", pid, ok)
			}
		})
	}
}

func TestReap(t *testing.T) {
	t.Parallel()
	for _, goarch := range []string{"amd64", "arm64"} {
		for code, want := range map[uint64]outcome{
			0: {out: "childparent", records: []Record{{reaped | 5, 0}}},
			3: {out: "child", code: ExitCode, records: []Record{{reaped | 5, 3 << 8}, {5, uint32(unix.ECANCELED)}}},
		} {
			t.Run(fmt.Sprint(goarch, code), func(t *testing.T) {
				t.Parallel()
				got := execute(t, goarch, &plan.Plan{Steps: []plan.Step{
					{Call: "setsid", Accept: []unix.Errno{plan.AnyError}},
					{Call: "clone", Args: []plan.Arg{number(uint64(unix.SIGCHLD))}, Result: 1},
					{Op: plan.Check, Args: []plan.Arg{value(1), number(1<<64 - 1), number(0)}, Errno: unix.EAGAIN, Accept: []unix.Errno{unix.EAGAIN}, OnError: 2},
					print("child"), exit(code),
					{Op: plan.Reap, Call: "wait4", Args: []plan.Arg{value(1)}},
					print("parent"), exit(0),
				}}, "")
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if _, status, ok := got.records[0].Reaped(); !ok || status.ExitStatus() != int(code) {
					t.Errorf("status %v, %v", status, ok)
				}
			})
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]plan.Step{
		"unknown call":  {Call: "reboot"},
		"jump too far":  {Call: "setsid", OnOK: 1},
		"jump back":     {Call: "setsid", OnError: -1},
		"seven":         {Call: "setsid", Args: make([]plan.Arg, 7)},
		"five accepted": {Call: "setsid", Accept: make([]unix.Errno, 5)},
	} {
		if _, err := Build(&plan.Plan{Steps: []plan.Step{s}}, Input{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	steps := make([]plan.Step, 0, 300)
	for i := range 299 {
		steps = append(steps, open(fmt.Sprint("/a/", i), plan.Step{}))
	}
	p := &plan.Plan{Steps: append(steps, exit(0))}
	for b.Loop() {
		if _, err := Build(p, Input{}); err != nil {
			b.Fatal(err)
		}
	}
}
