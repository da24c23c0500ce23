package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Loss is what a command takes away. Its help says so, and who gives it at a terminal is
// asked before what nothing brings back, and told afterwards what does.
type Loss struct {
	What string // what goes, in a sentence
	Undo string // what brings it back; "" if nothing does
}

// annotation marks the commands that take something away.
const annotation = "takes-away"

// Takes has a command say what it takes away.
func Takes(cmd *cobra.Command, l Loss) {
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	undo, yes := l.Undo, false
	if undo == "" {
		undo = "Nothing brings it back: at a terminal you are asked first."
		cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	}
	cmd.Long += "\n\n" + folded(l.What+" "+undo)
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[annotation] = l.What
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, ok := cmd.InOrStdin().(*os.File)
		if !ok || !term.IsTerminal(int(in.Fd())) {
			return run(cmd, args)
		}
		if l.Undo == "" && !yes {
			line := cmd.CommandPath() + " " + strings.Join(args, " ")
			if err := confirm(in, cmd.ErrOrStderr(), l.What, line); err != nil {
				return err
			}
		}
		if err := run(cmd, args); err != nil || l.Undo == "" {
			return err
		}
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), l.Undo)
		return err
	}
}

// TakesAway says whether a command was marked by [Takes].
func TakesAway(cmd *cobra.Command) bool { return cmd.Annotations[annotation] != "" }

var errNothingDone = errors.New("nothing was done")

// confirm asks whether to go on.
func confirm(in io.Reader, out io.Writer, what, line string) error {
	if _, err := fmt.Fprintf(out, "%s\n%s? [y/N] ", what, line); err != nil {
		return err
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNothingDone
}

// folded breaks a text into lines as help has them.
func folded(text string) string {
	const width = 84
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}
