package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cove/engine/builds/changes"
	"cove/internal/cli/app"
	"cove/internal/cli/buildcmd"
	"cove/internal/cli/copycmd"
	"cove/internal/cli/historycmd"
	"cove/internal/cli/sibling"
	"cove/internal/cli/verifycmd"
)

// here is the builder as the build binary has it.
var here = Builder{
	Build: buildcmd.Build, Bake: buildcmd.Bake, History: historycmd.Noun, Changes: changes.Read,
	Verify: verifycmd.Verify, Kaniko: buildcmd.Kaniko, Copy: copycmd.Copy, Merge: copycmd.Merge, API: sibling.API,
}

// parse finds the command that args select and the arguments left to it.
func parse(t *testing.T, g Grammar, args []string) (name string, rest []string) {
	t.Helper()
	dispatched, word := g.dispatch(args)
	root := g.root(&app.App{Prog: g.prog, In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, word)
	cmd, rest, err := root.Find(dispatched)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if cmd.DisableFlagParsing {
		return cmd.CommandPath(), rest
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return cmd.CommandPath(), cmd.Flags().Args()
}

func TestFirstWordIsAVerbOrTheArgument(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		g    Grammar
		args string
		cmd  string
		rest string
	}{
		{Cove(here), "bake app", "cove bake", "app"},
		{Cove(here), "build bake --push app", "cove bake", "app"},
		{Cove(here), "--root /x build bake", "cove bake", ""},
		{Cove(here), "build ./bake", "cove build", "./bake"},
		{Build(here), "bake app", "build bake", "app"},
		{Cove(here), "build history ls", "cove builder history ls", ""},
		{Cove(here), "--root /x build history inspect ^1", "cove builder history inspect", "^1"},
		{Cove(here), "build history", "cove build", "history"},
		{Cove(here), "build -t app history", "cove build", "history"},
		{Cove(here), "history ls", "cove history", "ls"},
		{Build(here), "history logs x", "build history logs", "x"},
		{Build(here), "history app:v1", "build history", "app:v1"},
		{Run(here), "busybox", "run run", "busybox"},
		{Run(here), "-d --name x busybox sh -c ls", "run run", "busybox sh -c ls"},
		{Run(here), "ps", "run ps", ""},
		{Run(here), "ps -a", "run ps", ""},
		{Run(here), "-- ps", "run run", "ps"},
		{Run(here), "-- ps -a", "run run", "ps -a"},
		{Run(here), "-d ps", "run run", "ps"},
		{Run(here), "--rm -- ps", "run run", "ps"},
		{Run(here), "--root /x ps", "run ps", ""},
		{Run(here), "--root=/x -D ps", "run ps", ""},
		{Run(here), "--root /x busybox ps", "run run", "busybox ps"},
		{Run(here), "--insecure-registry 10.0.0.1:5000 ps", "run ps", ""},
		{Run(here), "--registry-mirror http://m:5000 ps", "run ps", ""},
		{Run(here), "run", "run run", "run"},
		{Run(here), "run ps", "run run", "run ps"},
		{Run(here), "exec -it db sh", "run exec", "db sh"},
		{Run(here), "busybox exec", "run run", "busybox exec"},
		{Run(here), "-v /a:/b busybox", "run run", "busybox"},
		{Run(here), "-h box busybox", "run run", "busybox"},
		{Run(here), "--net=none busybox", "run run", "busybox"},
		{Run(here), "images", "run run", "images"},
		{Build(here), ".", "build build", "."},
		{Build(here), "-t app .", "build build", "."},
		{Build(here), "images", "build images", ""},
		{Build(here), "-- images", "build build", "images"},
		{Build(here), "push app", "build push", "app"},
		{Build(here), "build", "build build", "build"},
		{Build(here), "ps", "build build", "ps"},
		{Cove(here), "run ps", "cove run", "ps"},
		{Cove(here), "run -- ps -a", "cove run", "ps -a"},
		{Cove(here), "run busybox ls -l", "cove run", "busybox ls -l"},
		{Cove(here), "ps -aq", "cove ps", ""},
		{Cove(here), "container ls -aq", "cove container ls", ""},
		{Cove(here), "container list", "cove container ls", ""},
		{Cove(here), "image ls", "cove image ls", ""},
		{Cove(here), "image rm -f x", "cove image rm", "x"},
		{Cove(here), "top db -o pid,args", "cove top", "db -o pid,args"},
		{Cove(here), "exec db ls -l", "cove exec", "db ls -l"},
		{Cove(here), "volume rm -f x", "cove volume rm", "x"},
		{Run(here), "volume ls", "run volume ls", ""},
		{Cove(here), "registry serve --root /r", "cove registry", "serve --root /r"},
	} {
		cmd, rest := parse(t, tc.g, strings.Fields(tc.args))
		if cmd != tc.cmd || strings.Join(rest, " ") != tc.rest {
			t.Errorf("%s %s: got %q with %q, want %q with %q", tc.g.prog, tc.args, cmd, rest, tc.cmd, tc.rest)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		g    Grammar
		args []string
		want string
	}{
		{Cove(here), []string{"r"}, "rename\trestart\trm\trmi\trun\tregistry"},
		{Cove(here), []string{"run", "--pid"}, "--pids-limit"},
		{Run(here), []string{"--pid"}, "--pids-limit"},
		{Run(here), []string{"re"}, "rename\trestart"},
		{Run(here), []string{"exec", "--det"}, "--detach\t--detach-keys"},
		{Build(here), []string{"-t", "x", "--no-c"}, "--no-cache\t--no-cache-filter"},
	} {
		var out bytes.Buffer
		args := append([]string{cobra.ShellCompNoDescRequestCmd}, tc.args...)
		if code := Main(tc.g, args, strings.NewReader(""), &out, io.Discard); code != 0 {
			t.Errorf("%s %q: exit code %d", tc.g.prog, tc.args, code)
		}
		lines := strings.Split(out.String(), "\n:")[0]
		for want := range strings.SplitSeq(tc.want, "\t") {
			if !strings.Contains("\n"+lines+"\n", "\n"+want+"\n") {
				t.Errorf("%s %q: %q is not offered in %q", tc.g.prog, tc.args, want, lines)
			}
		}
	}
}

func TestMistakesAreOneLineAndNameTheWayOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		g    Grammar
		args string
		code int
		want string
	}{
		{Cove(here), "imagse", 1, `cove: unknown command "imagse"; did you mean "images". See 'cove --help'`},
		{Cove(here), "container lss", 1, `cove: unknown command "lss"; did you mean "ls". See 'cove container --help'`},
		{Cove(here), "service ls -q", 1, `cove: service: there is no swarm: cove runs the containers of one machine; cove compose runs several as one project`},
		{Cove(here), "checkpoint --help", 1, `cove: checkpoint: what runs is not written to disk and resumed; pause and unpause stop it for a while`},
		{Cove(here), "run --isolation hyperv x", 125, `cove: invalid argument "hyperv" for "--isolation" flag: there is only default: others are of Windows. See 'cove run --help'`},
		{Cove(here), "run -d -a stdout x", 125, `cove: conflicting options: cannot specify both --attach and --detach`},
		{Cove(here), "network create --scope swarm x", 125, `cove: invalid argument "swarm" for "--scope" flag: there is no swarm: a network is of this machine. See 'cove network create --help'`},
		{Cove(here), "run --memroy 1g x", 125, `cove: unknown flag: --memroy; did you mean --memory. See 'cove run --help'`},
		{Cove(here), "run", 1, `cove: "cove run" requires at least 1 argument (cove run [flags] IMAGE [COMMAND] [ARG...]). See 'cove run --help'`},
		{Cove(here), "ps extra", 1, `cove: "cove ps" accepts no arguments (cove ps [flags]). See 'cove ps --help'`},
		{Cove(here), "ps --filter color=red", 1, `cove: invalid filter 'color': there are ancestor, before, exited, expose, health, id, is-task, label, name, network, publish, since, status, volume`},
		{Cove(here), "run --cpus lots x", 125, `cove: --cpus lots: want a number, 0.01 or more, as 1.5`},
		{Cove(here), "run --memory 1k x", 125, `cove: Minimum memory limit allowed is 6MB`},
		{Cove(here), "ps --filter status=up", 1, `cove: invalid filter 'status=up': there are created, restarting, running, paused, exited, removing, dead`},
		{Run(here), "", 1, `run: "run" requires at least 1 argument (run [flags] IMAGE [COMMAND] [ARG...]). See 'run --help'`},
		{Build(here), "", 1, `build: "build" requires exactly 1 argument (build [flags] CONTEXT). See 'build --help'`},
		{Cove(here), "inspect --type pod x", 1, `cove: "pod" is not a valid value for --type: want container, image, network or volume`},
		{Cove(here), "volume ls --filter size=1", 1, `cove: invalid filter 'size': there are dangling, driver, label, name`},
		{Run(here), "-d", 1, `run: "run" requires at least 1 argument (run [flags] IMAGE [COMMAND] [ARG...]). See 'run --help'`},
		{Build(here), "-t x", 1, `build: "build" requires exactly 1 argument (build [flags] CONTEXT). See 'build --help'`},
		{Cove(here), "run -p 99999:1 x", 125, `cove: port 99999:1: invalid port specification: "99999": want 1 to 65535; want [[IP:]HOSTPORT:]PORT[/PROTOCOL]`},
		{Run(here), "--memroy 1g x", 125, `run: unknown flag: --memroy; did you mean --memory. See 'run --help'`},
	} {
		var out, errOut bytes.Buffer
		args := append([]string{"--root", t.TempDir()}, strings.Fields(tc.args)...)
		code := Main(tc.g, args, strings.NewReader(""), &out, &errOut)
		if code != tc.code || errOut.String() != tc.want+"\n" || out.Len() > 0 {
			t.Errorf("%s %s: got %d %q (output %q), want %d %q", tc.g.prog, tc.args, code, errOut.String(), out.String(), tc.code, tc.want)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	for _, g := range []Grammar{Cove(here), Build(here), Run(here)} {
		root := g.root(&app.App{Prog: g.prog, Out: io.Discard, Err: io.Discard}, "")
		var visit func(c *cobra.Command)
		visit = func(c *cobra.Command) {
			path := c.CommandPath()
			if c.Short == "" {
				t.Errorf("%s has no description", path)
			}
			if c.Runnable() && !c.HasSubCommands() && c.Example == "" && !c.Hidden {
				t.Errorf("%s has no example", path)
			}
			if c.Runnable() && c != root && !c.DisableFlagParsing && c.Args == nil {
				t.Errorf("%s does not check its arguments", path)
			}
			for _, sub := range c.Commands() {
				visit(sub)
			}
		}
		visit(root)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		g    Grammar
		args string
		want []string
	}{
		{Cove(here), "--help", []string{"Containers:", "Images:", "cove COMMAND"}},
		{Cove(here), "run --help", []string{"cove run [flags] IMAGE", "--pids-limit", "cove run --rm -it debian bash"}},
		{Run(here), "--help", []string{"run [flags] IMAGE [COMMAND] [ARG...]", "--pids-limit", "ps  "}},
		{Cove(here), "volume", []string{"Usage:  cove volume COMMAND\n\nCommands:\n", "Run 'cove volume COMMAND --help'"}},
		{Build(here), "--help", []string{"build [flags] CONTEXT", "--build-arg", "push  "}},
		{Cove(here), "version", []string{"Client: cove\n Version:           unknown\n", "\nServer: cove\n Engine:\n  Version:           0.0.0+unknown\n"}},
		{Cove(here), "--version", []string{"cove version unknown\n"}},
		{Run(here), "--version", []string{"run version unknown\n"}},
		{Cove(here), "version --format json", []string{`{"Client":{"Platform":{"Name":"cove"},"Version":"unknown","ApiVersion":"1.51"`, `"Server":{`, `"MinAPIVersion":"1.24"`}},
		{Cove(here), "version -f {{.Server.Os}}", []string{"linux\n"}},
		{Cove(here), "completion bash", []string{"__start_cove"}},
	} {
		var out, errOut bytes.Buffer
		if code := Main(tc.g, strings.Fields(tc.args), strings.NewReader(""), &out, &errOut); code != 0 {
			t.Errorf("%s %s: exit code %d: %s", tc.g.prog, tc.args, code, errOut.String())
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s %s: no %q in\n%s", tc.g.prog, tc.args, want, out.String())
			}
		}
	}
}

func TestHelpHasItsLetterWhereNothingElseHas(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		g    Grammar
		args []string
	}{
		{Run(here), []string{"-h"}},
		{Run(here), []string{"--help"}},
		{Run(here), []string{"ps", "-h"}},
		{Build(here), []string{"-h"}},
		{Cove(here), []string{"-h"}},
		{Cove(here), []string{"build", "-h"}},
		{Cove(here), []string{"run", "--help"}},
	} {
		var out, errs bytes.Buffer
		if code := Main(tc.g, tc.args, strings.NewReader(""), &out, &errs); code != 0 || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%s %q: code %d, printed %q, %q", tc.g.prog, tc.args, code, out.String(), errs.String())
		}
	}
}
