package command

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, goesOn := range map[string]bool{
		"y\n": true, "Yes\n": true, " YES \r\n": true, "y": true, "\n": false, "": false, "n\n": false, "yesterday\n": false,
	} {
		var asked strings.Builder
		err := confirm(strings.NewReader(answer), &asked, "All of it goes.", "registry x rm y")
		if (err == nil) != goesOn || err != nil && !errors.Is(err, errNothingDone) {
			t.Errorf("%q: %v", answer, err)
		}
		if asked.String() != "All of it goes.\nregistry x rm y? [y/N] " {
			t.Errorf("asked %q", asked.String())
		}
	}
}

// TestTakes: without a terminal nobody is asked, and help says what goes.
func TestTakes(t *testing.T) {
	t.Parallel()
	for _, undo := range []string{"", `"registry x add" gives it back.`} {
		ran := 0
		cmd := &cobra.Command{Use: "rm", Short: "Remove x", RunE: func(*cobra.Command, []string) error {
			ran++
			return nil
		}}
		Takes(cmd, Loss{What: "It goes" + strings.Repeat(", and more of it", 8) + ".", Undo: undo})
		var out strings.Builder
		cmd.SetIn(strings.NewReader("n\n"))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(nil)
		if err := cmd.Execute(); err != nil || ran != 1 || out.Len() > 0 {
			t.Errorf("it ran %d times, said %q: %v", ran, out.String(), err)
		}
		if (cmd.Flags().Lookup("yes") != nil) != (undo == "") || !TakesAway(cmd) {
			t.Errorf("undo %q: %v", undo, cmd.Flags().FlagUsages())
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 85 {
				t.Errorf("a long line of help: %s", line)
			}
		}
		if text := strings.ReplaceAll(cmd.Long, "\n", " "); !strings.HasPrefix(text, "Remove x.  It goes, and more") || !strings.Contains(text, undo) {
			t.Errorf("help says %s", cmd.Long)
		}
	}
}

// terminal opens a pseudo-terminal, at which somebody has typed something.
func terminal(t *testing.T, typed string) *os.File {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { ours.Close() })
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if _, err := ours.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	return theirs
}

// TestAtATerminal: who gives the command there is asked before what nothing brings back,
// and told what brings back the rest.
func TestAtATerminal(t *testing.T) {
	t.Parallel()
	const undo = `"registry x add" gives it back.`
	for _, tc := range []struct {
		typed, undo string
		args        []string
		runs        bool
		says        string
	}{
		{"n\n", "", []string{"a"}, false, "It goes.\nrm a? [y/N] "},
		{"y\n", "", []string{"a", "b"}, true, "It goes.\nrm a b? [y/N] "},
		{"", "", []string{"a", "--yes"}, true, ""},
		{"", undo, []string{"a"}, true, undo + "\n"},
	} {
		ran := false
		cmd := &cobra.Command{Use: "rm", Args: cobra.ArbitraryArgs, SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
			ran = true
			return nil
		}}
		Takes(cmd, Loss{What: "It goes.", Undo: tc.undo})
		var out strings.Builder
		cmd.SetIn(terminal(t, tc.typed))
		cmd.SetErr(&out)
		cmd.SetArgs(tc.args)
		if err := cmd.Execute(); (err == nil) != tc.runs || ran != tc.runs || out.String() != tc.says {
			t.Errorf("%q, typed %q: ran %t, said %q: %v", tc.args, tc.typed, ran, out.String(), err)
		}
	}
}
