package remote

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/remote/parcel"
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
		Take(root, &app.App{In: strings.NewReader(""), Out: &said, Err: io.Discard}, e, nil)
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
	run.Flags().String("cidfile", "", "")
	run.Flags().BoolP("detach", "d", false, "")
	run.Flags().StringArrayP("volume", "v", nil, "")
	e, err := Parse("ssh://box")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "--cidfile", "x", "app"},
		{"run", "-v", "./here:/there", "app"},
		{"bake"},
		{"verify", "app", "."},
		{"kaniko"},
		{"kaniko", "--context", "dir:///x"},
		{"copy", "app", "oci:here"},
	} {
		kaniko := &cobra.Command{Use: "kaniko"}
		kaniko.Flags().String("context", "/workspace/", "")
		root := tree(run, kaniko, &cobra.Command{Use: "bake"}, &cobra.Command{Use: "verify"}, &cobra.Command{Use: "copy"})
		root.SetArgs(args)
		Take(root, &app.App{}, e, nil)
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

// laid is where a parcel lies in tests.
var laid = parcel.Dirs{Disk: "/disk", Memory: "/memory"}

// packed is the luggage of a command line, and its words there.
func packed(t *testing.T, cmd *cobra.Command, args ...string) (l *Luggage, words string, err error) {
	t.Helper()
	root := tree()
	root.AddCommand(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i := invocation{cmd: cmd, args: args}
		if l, err = i.luggage(t.Context(), &app.App{Err: io.Discard}, nil); err == nil {
			words = strings.Join(l.words(i, laid), " ")
		}
		return nil
	}
	root.SetArgs(append([]string{cmd.Name()}, args...))
	if rerr := root.ExecuteContext(t.Context()); rerr != nil {
		t.Fatal(rerr)
	}
	return l, words, err
}

func runCommand() *cobra.Command {
	run := &cobra.Command{Use: "run"}
	run.Flags().StringArrayP("env", "e", nil, "")
	for _, name := range []string{"env-file", "label-file", "security-opt"} {
		run.Flags().StringArray(name, nil, "")
	}
	run.Flags().String("cidfile", "", "")
	run.Flags().Bool("rm", false, "")
	return run
}

// TestEnvironmentTravels in a file, which no other user can read as they can a command
// line; what no line of a file can say goes by it.
func TestEnvironmentTravels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("A=1\nFROM_HERE\n# no\nB=old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FROM_HERE", "here")
	l, words, err := packed(t, runCommand(), "--rm", "--env-file", file, "-e", "B=new", "-e", "C=two\nlines", "-e", "NOT_SET_ANYWHERE", "app", "x")
	if err != nil || words != "run --rm=true --env=C=two\nlines --env=NOT_SET_ANYWHERE --env-file=/memory/0/env -- app x" {
		t.Errorf("%q, %v", words, err)
	}
	if len(l.pieces) != 1 || !l.pieces[0].Secret || string(l.pieces[0].Text) != "A=1\nFROM_HERE=here\nB=new\n" {
		t.Errorf("%+v", l.pieces)
	}
	if l, words, err = packed(t, runCommand(), "-e", "A=b", "app"); err != nil || !l.empty() {
		t.Errorf("what needs no file: %q, %v", words, err)
	}
	if _, _, err = packed(t, runCommand(), "--env-file", "/none", "app"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
}

// TestSettingsTravel: labels, profiles, and the id that comes back.
func TestSettingsTravel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"labels", "p.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, words, err := packed(t, runCommand(), "--label-file", dir+"/labels", "--security-opt", "seccomp="+dir+"/p.json",
		"--security-opt", "no-new-privileges", "--cidfile", dir+"/cid", "app")
	want := "run --cidfile=/disk/2/id --label-file=/disk/0/labels --security-opt=seccomp=/disk/1/p.json --security-opt=no-new-privileges -- app"
	if err != nil || words != want {
		t.Errorf("%q, %v, want %q", words, err, want)
	}
	for _, args := range [][]string{
		{"--label-file", dir + "/none"}, {"--security-opt", "seccomp:" + dir + "/none"}, {"--cidfile", dir + "/labels"},
	} {
		if _, words, err := packed(t, runCommand(), append(args, "app")...); err == nil {
			t.Errorf("%q gives %q", args, words)
		}
	}
	if l, _, err := packed(t, runCommand(), "--security-opt", "seccomp=unconfined", "app"); err != nil || !l.empty() {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestCopies says what cp is given there.
func TestCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := errors.Join(os.MkdirAll(dir+"/d/sub", 0o755), os.WriteFile(dir+"/f", []byte("x"), 0o600), os.Symlink("f", dir+"/l"))
	if err != nil {
		t.Fatal(err)
	}
	cp := func() *cobra.Command {
		c := &cobra.Command{Use: "cp"}
		c.Flags().BoolP("archive", "a", false, "")
		c.Flags().BoolP("follow-link", "L", false, "")
		c.Flags().BoolP("quiet", "q", false, "")
		return c
	}
	for args, want := range map[string]string{
		"$/f box:/x":      "cp -- /disk/0/f box:/x",
		"$/d/ box:/x":     "cp -- /disk/0/d/ box:/x",
		"$/d/. box:/x":    "cp -- /disk/0/d/. box:/x",
		"-L $/l box:/x":   "cp --follow-link=true -- /disk/0/l box:/x",
		"- box:/x":        "cp -- - box:/x",
		"box:/x -":        "cp -- box:/x -",
		"box:/x other:/y": "cp -- box:/x other:/y",
		"box:/x $/d":      "cp --quiet=true -- box:/x /disk/0",
		"box:/x $/new":    "cp --quiet=true -- box:/x /disk/0/new",
		"box:/x $/new/":   "cp --quiet=true -- box:/x /disk/0/new/",
		"box:/x $/f":      "cp --quiet=true -- box:/x /disk/0/f",
	} {
		l, words, err := packed(t, cp(), strings.Fields(strings.ReplaceAll(args, "$", dir))...)
		if err != nil || words != want {
			t.Errorf("%s: %q, %v, want %q", args, words, err, want)
		}
		if linked := strings.Contains(args, "/l "); linked && l.pieces[0].Path != dir+"/f" {
			t.Errorf("%s takes %+v", args, l.pieces)
		}
	}
	for args, kind := range map[string]error{
		"$/none box:/x": errdefs.ErrNotFound, "$/f/. box:/x": errdefs.ErrInvalid, "box:/x $/none/x": errdefs.ErrNotFound,
		"box:/x $/f/": errdefs.ErrInvalid,
	} {
		if _, words, err := packed(t, cp(), strings.Fields(strings.ReplaceAll(args, "$", dir))...); !errors.Is(err, kind) {
			t.Errorf("%s: %q, %v", args, words, err)
		}
	}
}

// TestAgents have ssh answer for them there, on a connection of their own.
func TestAgents(t *testing.T) {
	t.Parallel()
	var l Luggage
	if name := l.Agent("/run/agent"); name != inMemory+"/agent0" || l.empty() {
		t.Error(name)
	}
	want := "-o ControlPath=none -o ExitOnForwardFailure=yes -R /memory/agent0:/run/agent"
	if got := strings.Join(l.options(laid), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if (&Luggage{}).options(laid) != nil {
		t.Error("without an agent there are options")
	}
}

// TestRelay carries each connection to a command there of its own, until both ends have
// said all.
func TestRelay(t *testing.T) {
	fakeSSH(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	e, err := Parse("ssh://box")
	if err != nil {
		t.Fatal(err)
	}
	host, stop, err := e.Relay(t.Context(), &app.App{Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *net.UnixConn {
		t.Helper()
		conn, err := net.Dial("unix", strings.TrimPrefix(host, "unix://"))
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.UnixConn)
	}
	open := dial() // says nothing, and ends with the relay
	for _, text := range []string{"one", "two"} {
		conn := dial()
		_, err := io.WriteString(conn, text)
		if err := errors.Join(err, conn.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != "cove --here system dial-stdio|"+text {
			t.Errorf("%q, %v", got, err)
		}
		conn.Close()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, open)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
