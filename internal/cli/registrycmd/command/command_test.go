package command_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"":                     "0001-01-01T00:00:00Z",
		"never":                "0001-01-01T00:00:00Z",
		"90d":                  "2026-05-02T12:00:00Z",
		"12h":                  "2026-02-02T00:00:00Z",
		"2027-01-31T12:00:00Z": "2027-01-31T12:00:00Z",
	} {
		if got, err := command.Until(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	for _, wrong := range []string{"-1d", "0d", "0h", "-5m", "tomorrow", "2025-01-31T12:00:00Z", "xd", "2027-01-31"} {
		if got, err := command.Until(wrong, now); err == nil {
			t.Errorf("%q is %v", wrong, got)
		}
	}
	if got := command.Moment(time.Time{}); got != "-" {
		t.Errorf("no time is %q", got)
	}
}

type thing struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

func TestLists(t *testing.T) {
	t.Parallel()
	items := []command.Item{
		{Row: []string{"one", "1"}, Object: thing{"one", 1}},
		{Row: []string{"three", "3"}, Object: thing{"three", 3}},
	}
	for flags, want := range map[string]string{
		"":                          "NAME    N\none     1\nthree   3\n",
		"-q":                        "one\nthree\n",
		"-q --format json":          "one\nthree\n",
		"--format json":             `{"name":"one","n":1}` + "\n" + `{"name":"three","n":3}` + "\n",
		"--format {{.Name}}={{.N}}": "one=1\nthree=3\n",
		"--format table":            "NAME    N\none     1\nthree   3\n",
	} {
		var l command.List
		var out bytes.Buffer
		cmd := &cobra.Command{Use: "list", RunE: func(cmd *cobra.Command, _ []string) error { return l.Print(cmd, "NAME N", items) }}
		l.Flags(cmd)
		cmd.SetOut(&out)
		cmd.SetArgs(strings.Fields(flags))
		if err := cmd.Execute(); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", flags, err, &out, want)
		}
	}
	var empty bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&empty)
	if err := (&command.List{}).Print(cmd, "NAME N", nil); err != nil || empty.String() != "NAME   N\n" {
		t.Errorf("none: %v, %q", err, &empty)
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "registry", SilenceErrors: true, SilenceUsage: true}
	leaf := &cobra.Command{
		Use: "add NAME", Args: command.Args(cobra.ExactArgs(1)), RunE: func(*cobra.Command, []string) error { return nil },
	}
	root.AddCommand(command.Group("user", "Users", leaf))
	for args, want := range map[string]string{
		"user add":     "accepts 1 arg(s), received 0: registry user add NAME; see 'registry user add --help'",
		"user ad":      `there is no command "registry user ad"; did you mean add?; see 'registry user --help'`,
		"user add x y": "accepts 1 arg(s), received 2: registry user add NAME; see 'registry user add --help'",
	} {
		root.SetArgs(strings.Fields(args))
		err := root.Execute()
		var usage *command.UsageError
		if !errors.As(err, &usage) || err.Error() != want {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
	all := errors.New("both")
	seen := []string{}
	err := command.Each([]string{"a", "b"}, func(name string) error { seen = append(seen, name); return all })
	if !errors.Is(err, all) || len(seen) != 2 {
		t.Errorf("each: %v after %v", err, seen)
	}
}
