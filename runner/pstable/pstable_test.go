package pstable

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
)

func TestRead(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ps"); err != nil {
		t.Skip(err)
	}
	self := strconv.Itoa(os.Getpid())
	for _, args := range [][]string{nil, {"-ef"}, {"aux"}, {"-o", "pid,args"}, {"-o", "args,pid"}, {"axf"}, {"-o", "pid=PID,comm"}} {
		heading, lines, err := Read(t.Context(), []int{os.Getpid()}, args)
		if err != nil || len(lines) != 1 || !strings.Contains(heading, "PID") {
			t.Errorf("%q: %q, %q, %v", args, heading, lines, err)
			continue
		}
		if rows := Rows(heading, lines); len(rows) != 2 || !slices.Contains(rows[1], self) {
			t.Errorf("%q: %q", args, rows)
		}
	}
	for says, args := range map[string][]string{
		"PID field":   {"-o", "comm"},
		"ppid=PID":    {"-o", "pid=X,ppid=PID,comm"},
		"ps --nosuch": {"--nosuch"},
	} {
		if _, _, err := Read(t.Context(), []int{os.Getpid()}, args); !errors.Is(err, errdefs.ErrInvalid) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestCheckHeadings(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-o pid":                  "",
		"-o pid=PID":              "",
		"-o pid = PID,comm":       "",
		"-o ppid=PIDS":            "",
		"-o comm=NAME":            "",
		"-o PID":                  "",
		"-o ppid=PID":             "ppid=PID",
		"-o ppid =PID":            "ppid=PID",
		"-o pid=PID -o comm= PID": "comm=PID",
		"-o pid=PID,x_1=PID,uid":  "x_1=PID",
	} {
		err := checkHeadings(strings.Fields(args))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), strconv.Quote(want)) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestFilterAndRows(t *testing.T) {
	t.Parallel()
	out := "USER  PID COMMAND\nroot    7 sh -c  sleep 7\nroot   77 other\nbroken\nroot  x no number\nroot    9 \n"
	heading, lines, err := filter(out, []int{7, 9})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"USER", "PID", "COMMAND"}, {"root", "7", "sh -c  sleep 7"}, {"root", "9"}}
	if diff := cmp.Diff(want, Rows(heading, lines)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
