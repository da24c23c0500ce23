package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"cove/errdefs"
)

func TestReport(t *testing.T) {
	t.Parallel()
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(&Interrupted{Signal: syscall.SIGTERM})
	for _, tc := range []struct {
		name string
		ctx  context.Context
		err  error
		code int
		want string
	}{
		{"none", t.Context(), nil, 0, ""},
		{"plain", t.Context(), errors.New("no such thing"), 1, "cove: no such thing\n"},
		{"one line", t.Context(), errors.New("a\nb"), 1, "cove: a; b\n"},
		{"program's own code", t.Context(), &Exit{Code: 42}, 42, ""},
		{"code and words", t.Context(), &Exit{Code: 127, Err: errors.New("not found")}, 127, "cove: not found\n"},
		{"usage", t.Context(), &Usage{"cove run", errors.New("unknown flag: --x"), CodeUsage}, 125, "cove: unknown flag: --x. See 'cove run --help'\n"},
		{"interrupted", interrupted, context.Canceled, 143, "cove: interrupted\n"},
		{"interrupted, by its cause", interrupted, fmt.Errorf("pulling: %w", context.Cause(interrupted)), 143, "cove: interrupted\n"},
	} {
		var out bytes.Buffer
		a := &App{Prog: "cove", Err: &out}
		if code := a.Report(tc.ctx, tc.err); code != tc.code || out.String() != tc.want {
			t.Errorf("%s: got %d %q, want %d %q", tc.name, code, out.String(), tc.code, tc.want)
		}
	}
}

func TestFlagErrorNamesTheNearest(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{Use: "run"}
	cmd.Flags().String("memory", "", "")
	cmd.Flags().Int("pids-limit", 0, "")
	for in, want := range map[string]string{
		"--memroy=1":       "unknown flag: --memroy; did you mean --memory",
		"--quux":           "unknown flag: --quux",
		"--pids-limit=abc": `invalid argument "abc"`,
	} {
		err := FlagError(cmd, cmd.ParseFlags([]string{in}))
		if !strings.HasPrefix(err.Error(), want) || !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: got %q", in, err)
		}
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{Use: "pull NAME"}
	for _, tc := range []struct {
		check cobra.PositionalArgs
		n     int
		want  string
	}{
		{ExactArgs(1), 1, ""},
		{ExactArgs(1), 0, `"pull" requires exactly 1 argument (pull NAME)`},
		{MinArgs(2), 1, `"pull" requires at least 2 arguments (pull NAME)`},
		{NoArgs(), 1, `"pull" accepts no arguments (pull NAME)`},
		{RangeArgs(0, 1), 2, `"pull" requires at most 1 argument (pull NAME)`},
	} {
		err := tc.check(cmd, make([]string, tc.n))
		if got := ""; err != nil {
			got, _, _ = strings.Cut(err.Error(), ". See")
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		} else if tc.want != "" {
			t.Errorf("no error, want %q", tc.want)
		}
	}
}
