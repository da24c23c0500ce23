package apicmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// run executes "api serve" with a root of its own until the context ends.
func run(ctx context.Context, t *testing.T, out io.Writer, args ...string) error {
	t.Helper()
	a := &app.App{Prog: "cove", In: strings.NewReader(""), Out: out, Err: out, Root: filepath.Join(t.TempDir(), "root")}
	cmd := Noun(a)
	cmd.SetArgs(append([]string{"serve"}, args...))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(ctx)
}

func TestServeUntilInterrupted(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, t, w, "--socket", socket, "--allow", "read,events") }()
	line := make([]byte, 200)
	n, err := r.Read(line)
	if want := "serving docker's API 1.51 on unix://" + socket + " (allowed: read,events)\n"; err != nil || string(line[:n]) != want {
		t.Errorf("%v %q, want %q", err, line[:n], want)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestServeUntilEOF ends with what it was started by.
func TestServeUntilEOF(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	a := &app.App{Prog: "cove", In: r, Out: io.Discard, Err: io.Discard, Root: filepath.Join(t.TempDir(), "root")}
	socket := filepath.Join(t.TempDir(), "s")
	cmd := Noun(a)
	cmd.SetArgs([]string{"serve", "--socket", socket, "--until-eof"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(t.Context()) }()
	if _, err := w.Write([]byte("ignored")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestServeUntilIdle ends when nobody asks.
func TestServeUntilIdle(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), t, io.Discard, "--socket", filepath.Join(t.TempDir(), "s"), "--idle", "50ms"); err != nil {
		t.Error(err)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	var usage *app.Usage
	wrongly := func(says string) func(error) bool {
		return func(err error) bool { return errors.As(err, &usage) && strings.Contains(err.Error(), says) }
	}
	for _, tc := range []struct {
		args []string
		is   func(error) bool
	}{
		{[]string{"--socket", ""}, func(err error) bool { return errors.As(err, &usage) }},
		{[]string{"--allow", "everything"}, func(err error) bool { return errors.Is(err, errdefs.ErrInvalid) }},
		// Flags that would say nothing beside the others.
		{[]string{"--socket", "", "--tcp", "127.0.0.1:0"}, wrongly("--tlscert")},
		{[]string{"--socket", "", "--tcp", "127.0.0.1:0", "--tlscert", "c", "--tlskey", "k"}, wrongly("--tlscacert")},
		{[]string{"--socket", "/nowhere/s", "--tlskey", "k"}, wrongly("--tcp")},
		{[]string{"--socket", "", "--tcp", "127.0.0.1:0", "--group", "root"}, wrongly("--user and --group are of a --socket")},
	} {
		if err := run(t.Context(), t, &bytes.Buffer{}, tc.args...); !tc.is(err) {
			t.Errorf("%q: %v", tc.args, err)
		}
	}
}
