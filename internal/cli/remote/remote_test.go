package remote

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Endpoint{
		"":                        {},
		"ssh://box":               {text: "ssh://box", scheme: "ssh", host: "box"},
		"ssh://me@box:2222":       {text: "ssh://me@box:2222", scheme: "ssh", user: "me", host: "box", port: "2222"},
		"ssh://me@[::1]:22/":      {text: "ssh://me@[::1]:22/", scheme: "ssh", user: "me", host: "::1", port: "22"},
		"unix:///run/docker.sock": {text: "unix:///run/docker.sock", scheme: "unix"},
		"tcp://box:2376":          {text: "tcp://box:2376", scheme: "tcp", host: "box", port: "2376"},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"box", "http://box", "ssh://", "ssh://-oProxyCommand=x", "ssh://-l@box", "ssh://me:secret@box", "ssh://box/run/docker.sock",
		"ssh://box?x=y", "ssh://box#x", "ssh://bo x", "ssh://box\n", "ssh://box:port", "unix://run/docker.sock", "unix:", "tcp:///x",
		"tcp://me@box:1", "ssh:box",
	} {
		if e, err := Parse(text); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q is %+v: %v", text, e, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	e, err := Parse("ssh://me@box:2222")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ssh", "-o", "ConnectTimeout=30", "-T", "-n", "-l", "me", "-p", "2222", "--", "box", "cove --here ps 'a b'"}
	if diff := cmp.Diff(want, e.ssh(false, []string{"-n"}, []string{"ps", "a b"})); diff != "" {
		t.Error(diff)
	}
	if got := strings.Join(e.ssh(true, nil, nil), " "); !strings.Contains(got, " -t -e none ") {
		t.Errorf("with a terminal: %s", got)
	}
}

// FuzzQuote has a shell give back what it was given.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", "it's", `'"\$(id)`, "`id`", "a\nb", "*", "~", "-x", "é", "\xff", "!1", "a=b;c", "\\'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			t.Skip("no argument has it")
		}
		out, err := exec.Command("sh", "-c", "printf %s. "+quote(s)).Output()
		if err != nil || string(out) != s+"." {
			t.Errorf("%q came back as %q: %v", s, out, err)
		}
	})
}

// tree is a program of commands that fail when they are executed here.
func tree(cmds ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{Use: "cove", SilenceErrors: true, SilenceUsage: true}
	for _, cmd := range cmds {
		cmd.RunE = func(*cobra.Command, []string) error { return errors.New("executed here") }
		root.AddCommand(cmd)
	}
	return root
}

// fakeSSH puts a program in the place of ssh that says what it was called with, and
// what it read, and ends with 3.
func fakeSSH(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nfor last; do :; done\nprintf '%s|' \"$last\"\ncat\nexit 3\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestFilesTravel has files of this side read and written here, and the words there
// without them.
func TestFilesTravel(t *testing.T) {
	fakeSSH(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "in")
	if err := os.WriteFile(file, []byte("bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := &cobra.Command{Use: "load"}
	load.Flags().StringP("input", "i", "", "")
	load.Flags().BoolP("quiet", "q", false, "")
	imports := &cobra.Command{Use: "import"}
	imports.Flags().StringArrayP("change", "c", nil, "")
	save := &cobra.Command{Use: "save"}
	save.Flags().StringP("output", "o", "", "")
	e, err := Parse("ssh://box")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"load", "-q", "-i", file}, "cove --here load --quiet=true --|bytes"},
		{[]string{"import", "-c", "CMD x", "-c", "USER y", file, "app"}, "cove --here import '--change=CMD x' '--change=USER y' -- - app|bytes"},
		{[]string{"save", "-o", out, "app"}, ""},
	} {
		var said strings.Builder
		root := tree(load, imports, save)
		root.SetArgs(tc.args)
		Take(root, &app.App{In: strings.NewReader(""), Out: &said, Err: io.Discard}, e)
		var exit *app.Exit
		if err := root.ExecuteContext(t.Context()); !errors.As(err, &exit) || exit.Code != 3 || said.String() != tc.want {
			t.Errorf("%q: %v and %q, want %q", tc.args, err, &said, tc.want)
		}
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what failed left a file: %v", err)
	}
}

// TestFilesThatDoNotTravel are refused.
func TestFilesThatDoNotTravel(t *testing.T) {
	t.Parallel()
	run := &cobra.Command{Use: "run"}
	run.Flags().String("env-file", "", "")
	run.Flags().StringArrayP("volume", "v", nil, "")
	e, err := Parse("ssh://box")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "--env-file", "x", "app"},
		{"run", "-v", "./here:/there", "app"},
		{"cp", "file", "box:/x"},
		{"cp", "box:/x", "./file:y"},
		{"build", "-t", "x", "."},
		{"bake"},
		{"compose"},
	} {
		build := &cobra.Command{Use: "build"}
		build.Flags().StringP("tag", "t", "", "")
		root := tree(run, build, &cobra.Command{Use: "cp"}, &cobra.Command{Use: "bake"}, &cobra.Command{Use: "compose"})
		root.SetArgs(args)
		Take(root, &app.App{}, e)
		if err := root.ExecuteContext(t.Context()); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestReads says whose input is given away.
func TestReads(t *testing.T) {
	t.Parallel()
	exec := &cobra.Command{Use: "exec"}
	exec.Flags().BoolP("interactive", "i", false, "")
	if (invocation{cmd: exec}).reads() || (invocation{cmd: &cobra.Command{Use: "ps"}}).reads() {
		t.Error("what reads nothing takes the input away")
	}
	if err := exec.Flags().Set("interactive", "true"); err != nil {
		t.Fatal(err)
	}
	if !(invocation{cmd: exec}).reads() || !(invocation{cmd: &cobra.Command{Use: "load"}}).reads() {
		t.Error("what reads has no input")
	}
}

// TestDockerIsNotThisProgram, which would call itself for ever.
func TestDockerIsNotThisProgram(t *testing.T) {
	own, err := os.Executable()
	dir := t.TempDir()
	if err == nil {
		err = os.Symlink(own, filepath.Join(dir, "docker"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	e, err := Parse("unix:///s")
	if err != nil || !e.Speaks() || e.Here() {
		t.Fatal(e, err)
	}
	if err := e.Docker([]string{"ps"}); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "is cove") {
		t.Error(err)
	}
}
