package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/distribution/distributiontest"
)

// dockers are the unmodified command lines of docker that `make deps-test` brings.
var dockers = map[string]string{"20.10": "docker-20.10/usr/bin/docker", "28.2": "docker-28.2"}

// step is one command of docker's. $D is its folder of files, $R the registry.
type step struct {
	args  string // as a shell reads them, after docker
	input string
	code  int
	out   string // a pattern that its output has
	newer bool   // docker 20.10 cannot do it: it knows no manifests of OCI's
}

// steps are every verb that cove serves, in an order in which each finds what it needs.
var steps = []step{
	{args: "version", out: `API version: +1\.51`},
	{args: "info", out: `Storage Driver: \S+`},
	{args: "import $D/root.tar box:1", out: `^sha256:`},
	{args: "images", out: `box +1 `},
	{args: "image ls -q --no-trunc", out: `^sha256:`},
	{args: "image inspect -f '{{.RepoTags}}' box:1", out: `^\[box:1\]`},
	{args: "history box:1", out: `IMAGE`},
	{args: "run --rm box:1 echo hello", out: `^hello$`},
	{args: "run --rm box:1 sh -c 'exit 7'", code: 7},
	{args: "run --rm box:1 nosuchprogram", code: 127, out: `executable file not found in \$PATH`},
	{args: "run --rm -i box:1 cat", input: "typed\n", out: `^typed$`},
	{args: "run --rm -e A=b -w /tmp -u 5:6 --hostname h --read-only --tmpfs /x --network none box:1 sh -c 'echo $A $(pwd) $(id -u) $(hostname)'", out: `^b /tmp 5 h$`},
	{args: "network create --label a=b app", out: `^[0-9a-f]{64}$`},
	{args: "network ls", out: `app +bridge`},
	{args: "network inspect -f '{{.Labels.a}}' app", out: `^b$`},
	{args: "volume create --label a=b data", out: `^data$`},
	{args: "volume ls", out: `local +data`},
	{args: "volume inspect -f '{{.Labels.a}}' data", out: `^b$`},
	{args: "run -d --name main --network app -v data:/data -p 127.0.0.1::80 -l team=x --restart on-failure:2 box:1 sh -c 'echo first; echo second >&2; exec sleep 1000'", out: `^[0-9a-f]{64}$`},
	{args: "ps", out: `main`},
	{args: "ps -aq --filter label=team=x --no-trunc", out: `^[0-9a-f]{64}$`},
	{args: "port main", out: `80/tcp -> 127\.0\.0\.1:\d+`},
	{args: "logs main", out: `(?s)first.*second|second.*first`},
	{args: "logs --tail 1 -t main", out: `^2\d{3}-`},
	{args: "inspect -f '{{.State.Status}} {{.Name}} {{(index .Mounts 0).Destination}} {{.HostConfig.RestartPolicy.Name}}' main", out: `^running /main /data on-failure$`},
	{args: "exec main sh -c 'echo x; exit 3'", code: 3, out: `^x$`},
	{args: "exec -i main cat", input: "through", out: `^through`},
	{args: "exec -d main touch /tmp/detached"},
	{args: "exec main nosuchprogram", code: 127, out: `executable file not found in \$PATH`},
	{args: "top main -eo pid,comm", out: `sleep`},
	{args: "stats --no-stream main", out: `main`},
	{args: "cp $D/file main:/tmp/copied"},
	{args: "cp main:/tmp/copied -", out: `text of file`},
	{args: "cp main:/tmp/copied $D/back"},
	{args: "diff main", out: `A /tmp/copied`},
	{args: "network connect --alias other bridge main", code: 1},
	{args: "network create second"},
	{args: "network connect --alias other second main"},
	{args: "network disconnect second main"},
	{args: "network rm second", out: `second`},
	{args: "commit -m note -c 'ENV A=b' main kept:1", code: 0, out: `^sha256:`},
	{args: "run --rm kept:1 cat /tmp/copied", out: `text of file`},
	{args: "export -o $D/export.tar main"},
	{args: "update --memory 64m --memory-swap -1 main", out: `main`},
	{args: "pause main", out: `main`},
	{args: "unpause main", out: `main`},
	{args: "rename main renamed"},
	{args: "restart -t 0 renamed", out: `renamed`},
	{args: "stop -t 0 renamed", out: `renamed`},
	{args: "wait renamed", out: `^137$`},
	{args: "start renamed", out: `renamed`},
	{args: "kill renamed", out: `renamed`},
	{args: "rm -fv renamed", out: `renamed`},
	{args: "create --name made box:1 echo from-create", out: `^[0-9a-f]{64}$`},
	{args: "start -a made", out: `^from-create$`},
	{args: "rm made"},
	{args: "tag box:1 $R/team/box:1"},
	{args: "push $R/team/box:1", out: `digest: sha256:`},
	{args: "rmi $R/team/box:1", out: `Untagged`},
	{args: "pull $R/team/box:1", out: `Downloaded newer image`},
	{args: "run --rm $R/team/box:1 echo pulled", out: `^pulled$`},
	{args: "run --rm $R/team/nothing:1", code: 125},
	{args: "save -o $D/saved.tar box:1"},
	{args: "load -i $D/saved.tar", out: `Loaded image: box:1`},
	{args: "system df", out: `Images`},
	{args: "events --since 1h --until 0s --filter type=container --filter event=start", out: `container start`},
	{args: "plugin ls", out: `ID`},
	{args: "node ls", code: 1, out: `not a swarm manager`},
	{args: "container prune -f", out: `Total reclaimed`},
	{args: "network prune -f", out: `app`},
	{args: "volume rm data", out: `data`},
	{args: "volume prune -f", out: `Total`},
	{args: "image prune -af", out: `Total`},
}

// served is a cove whose API is served on a socket.
type served struct {
	host   string
	config string // docker's folder of what a person has set
	env    []string
	// patience is how long a command may take; 0 is a minute.
	patience time.Duration
}

// serveAPI serves the API of a fresh root until the test ends, with more of an environment.
func serveAPI(t *testing.T, env ...string) served {
	t.Helper()
	bin, dir := binDir(t), t.TempDir()
	socket := filepath.Join(dir, "s")
	s := served{host: "unix://" + socket, config: filepath.Join(dir, "config"), env: append(
		os.Environ(), "DOCKER_HOST=unix://"+socket, "DOCKER_CONFIG="+filepath.Join(dir, "config"),
		"COVE_ROOT="+filepath.Join(dir, "root"), "PATH="+bin+":"+os.Getenv("PATH"),
	)}
	s.env = append(s.env, env...)
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, "cove"), "api", "serve", "--socket", socket)
	cmd.Env, cmd.Stderr = s.env, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out, err := s.run(contextOf(t), "", "ids=$(cove ps -aq); test -z \"$ids\" || cove rm -fv $ids; cove network prune")
		if err != nil {
			t.Errorf("cleaning up: %v\n%s", err, out)
		}
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v\n%s", err, &log)
		}
	})
	for range 200 {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return s
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody serves\n%s", &log)
	return s
}

func contextOf(*testing.T) context.Context { return context.Background() }

// run runs a line of a shell.
func (s served) run(ctx context.Context, input, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.patience, time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// docker returns the command line of a version, or skips.
func docker(t *testing.T, version string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../.cache/tools", dockers[version]))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil || os.Geteuid() != 0 {
		t.Skipf("needs root, and docker's command line %s, which make deps-test brings: %v", version, err)
	}
	return path
}

// TestDockerDrivesCove has docker's own command lines do all that cove serves.
func TestDockerDrivesCove(t *testing.T) {
	for version := range dockers {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			cli, s, dir := docker(t, version), serveAPI(t), t.TempDir()
			body, err := rootfsTar()
			if err == nil {
				err = errors.Join(os.WriteFile(filepath.Join(dir, "root.tar"), body, 0o600),
					os.WriteFile(filepath.Join(dir, "file"), []byte("text of file\n"), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
			passed := runSteps(t, s, steps, strings.NewReplacer("$D", dir, "$R", registry), cli)
			t.Logf("docker %s: %d of %d commands pass", version, passed, len(steps))
		})
	}
}

// runSteps runs steps, each a line that begins with a prefix, and counts those that do
// what they should.
func runSteps(t *testing.T, s served, steps []step, r *strings.Replacer, prefix string) (passed int) {
	t.Helper()
	for _, st := range steps {
		out, err := s.run(t.Context(), st.input, prefix+" "+r.Replace(st.args))
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			code = -1
		}
		if !regexp.MustCompile("(?m)"+st.out).MatchString(out) || code != st.code {
			t.Errorf("%s is %d, want %d and %q:\n%s", st.args, code, st.code, st.out, out)
			continue
		}
		passed++
	}
	return passed
}

// TestDockerAtATerminal runs and executes at a terminal, and leaves it by its keys.
func TestDockerAtATerminal(t *testing.T) {
	t.Parallel()
	cli, s := docker(t, "28.2"), serveAPI(t)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.run(t.Context(), string(body), cli+" import - box:1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line, want := range map[string]string{
		"run --rm -it box:1 sh -c 'test -t 0 && test -t 1 && echo a-terminal'": `a-terminal`,
		"run --rm -it box:1 sh -c 'sleep 1; stty size'":                        `\d+ \d+`,
		"run -d --name term -it box:1 sh":                                      `[0-9a-f]{64}`,
	} {
		out, err := s.run(t.Context(), "", "script -qec \"stty rows 33 cols 99; "+cli+" "+strings.ReplaceAll(line, `"`, `\"`)+"\" /dev/null </dev/null")
		if err != nil || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}

// TestKilledAPI kills the server while a container runs: it runs on, and the next
// server has it.
func TestKilledAPI(t *testing.T) {
	t.Parallel()
	cli, s := docker(t, "28.2"), serveAPI(t)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.run(t.Context(), string(body), cli+" import - box:1 && "+cli+
		" run -d --name on box:1 sh -c 'while sleep 0.1; do echo tick; done'"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	second := served{env: append(s.env, "DOCKER_HOST=unix://"+filepath.Join(t.TempDir(), "second"))}
	cmd := exec.Command(filepath.Join(binDir(t), "cove"), "api", "serve", "--socket",
		strings.TrimPrefix(second.env[len(second.env)-1], "DOCKER_HOST=unix://"))
	cmd.Env = s.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := second.run(t.Context(), "", cli+" version"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	follow := exec.Command(cli, "logs", "-f", "on")
	follow.Env = second.env
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()    // it was killed
	_ = follow.Wait() // its server is gone
	out, err := s.run(t.Context(), "", cli+" inspect -f '{{.State.Running}}' on && "+cli+" exec on echo still && "+cli+" stop -t 0 on")
	if err != nil || !strings.Contains(out, "true\nstill\non") {
		t.Errorf("%v\n%s", err, out)
	}
}
