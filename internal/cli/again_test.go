package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// TestAgain: a command that turns out to need what is not linked is begun again as the
// other program, with the command line as it was typed; where there is none it is told.
func TestAgain(t *testing.T) {
	t.Parallel()
	var typed []string
	fails := func(*app.App) *cobra.Command {
		return &cobra.Command{Use: "run", RunE: func(*cobra.Command, []string) error {
			return &app.Exit{Code: 125, Err: errdefs.Errorf(errdefs.ErrNotLinked, "no codec")}
		}, DisableFlagParsing: true}
	}
	g := Run(Elsewhere)
	g.implied = fails
	g.builder.Again = func(a *app.App) error {
		typed = append([]string{a.Prog}, a.Args...)
		return errors.New("no such program")
	}
	var told bytes.Buffer
	code := Main(g, []string{"--rm", "alpine", "true"}, strings.NewReader(""), io.Discard, &told)
	if code != 1 || strings.Join(typed, " ") != "run --rm alpine true" || told.String() != "run: no such program\n" {
		t.Errorf("%d, %q, %s", code, typed, told.String())
	}
}

// TestMovesElsewhere: the programs that start with each container show the same help of
// commands that another does, and count no arguments of theirs.
func TestMovesElsewhere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"pull", "push", "load", "login", "commit", "image save", "image merge", "container commit"} {
		words := strings.Fields(path)
		thin, _, err := Cove(Elsewhere).Tree().Find(words)
		if err != nil {
			t.Fatal(err)
		}
		whole, _, err := Cove(here).Tree().Find(words)
		if err != nil {
			t.Fatal(err)
		}
		if !thin.DisableFlagParsing || whole.DisableFlagParsing || thin.Short != whole.Short || thin.UseLine() != whole.UseLine() {
			t.Errorf("%s: %q and %q", path, thin.UseLine(), whole.UseLine())
		}
		if err := thin.ValidateArgs([]string{"--flag", "a", "b", "c"}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
