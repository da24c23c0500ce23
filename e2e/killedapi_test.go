package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cove/distribution/distributiontest"
)

// apiShell is a shell whose docker asks a server that may be killed at any moment.
type apiShell struct {
	*shell
	docker string
	server *exec.Cmd
}

func (a *apiShell) socket() string { return filepath.Join(a.work, "s") }

// line is a script in which docker asks the server.
func (a *apiShell) line(script string) string {
	return fmt.Sprintf("export DOCKER_HOST=unix://%s DOCKER_CONFIG=%s/config DOCKER_BUILDKIT=0; docker() { %s \"$@\"; }; %s",
		a.socket(), a.work, a.docker, script)
}

// serve starts a server, and waits until it answers.
func (a *apiShell) serve() {
	a.t.Helper()
	a.server = a.command("exec cove api serve --socket " + a.socket() + " 2>served")
	if err := a.server.Start(); err != nil {
		a.t.Fatal(err)
	}
	for range 1200 {
		if a.answers() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	said, err := os.ReadFile(filepath.Join(a.work, "served"))
	a.t.Fatalf("nobody serves: %s %v", said, err)
}

// answers asks for an answer: what a server that was killed was about to start may have its
// socket open still.
func (a *apiShell) answers() bool {
	conn, err := net.Dial("unix", a.socket())
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	fmt.Fprint(conn, "GET /_ping HTTP/1.0\r\n\r\n")
	got, err := io.ReadAll(conn)
	return err == nil && strings.HasSuffix(string(got), "OK")
}

func (a *apiShell) stop(sig os.Signal) {
	_ = a.server.Process.Signal(sig) // it may have ended
	_ = a.server.Wait()              // as it was told to
}

// kill kills the server a while after a script has begun, and waits for its clients.
func (a *apiShell) kill(script string, after time.Duration) (midway bool) {
	a.t.Helper()
	clients := a.command(a.line(script))
	clients.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := clients.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = clients.Wait() // its server is gone
	}()
	select {
	case <-ended:
	case <-time.After(after):
		midway = true
	}
	a.stop(os.Kill)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		a.t.Errorf("%s: the client does not notice that its server is gone", script)
		_ = syscall.Kill(-clients.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	return midway
}

// TestKilledAPIAnywhere kills the server of docker's API at every verb, each time a
// little later (COVE_SOAK=1; without it some, once): what runs runs on, the next server has it, and
// after a removal of what is listed and a prune nothing is left.
func TestKilledAPIAnywhere(t *testing.T) {
	t.Parallel()
	cli := docker(t, "28.2")
	a := &apiShell{shell: newShell(t), docker: cli}
	registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	for name, body := range map[string]string{
		"Dockerfile": "FROM keep\nARG N\nCOPY big /big\nRUN echo $N; cp /big /bigger\n",
		"big":        strings.Repeat("0123456789abcdef", 1<<17),
	} {
		if err := os.WriteFile(filepath.Join(a.work, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const run = "docker run -d --name cc --network none keep sleep 1000"
	verbs := []struct{ before, verb string }{
		{"", "docker create --name cc -v named:/etc -v /bin keep true"},
		{"", "docker run --rm --name cc -v /bin keep sleep 0.05"},
		{"", "docker run -d --name cc -p 127.0.0.1::80 keep sleep 1000"},
		{"", "echo typed | docker run -i --rm --name cc --network none keep cat"},
		{"docker create --name cc keep sleep 1000", "docker start cc"},
		{"docker create -i --name cc keep cat", "echo typed | docker start -ai cc"},
		{run, "docker restart -t 0 cc"},
		{run, "docker stop -t 0 cc"},
		{run, "docker pause cc; docker unpause cc"},
		{run, "docker exec cc cp /bin/busybox /tmp/x"},
		{run, "echo typed | docker exec -i cc cat"},
		{run, "timeout -s KILL 1 docker attach cc"},
		{run, "docker update --memory 64m --memory-swap -1 cc"},
		{run, "docker rm -fv cc"},
		{"docker create --name cc keep true", "docker rename cc another"},
		{"docker create --name cc keep true", "docker cp big cc:/big"},
		{"docker create --name cc keep true", "docker cp cc:/bin/busybox out"},
		{run, "docker commit cc committed"},
		{"docker create --name cc keep true", "docker export -o exported.tar cc"},
		{"", "docker volume create made"},
		{"", "docker network create net"},
		{run + "; docker network create net", "docker network rm net"},
		{"docker run -d --name cc keep sleep 1000; docker network create net", "docker network connect net cc"},
		{"", "docker tag keep tagged"},
		{"docker tag keep tagged", "docker rmi tagged"},
		{"", "docker load -q -i saved.tar"},
		{"", "docker save -o again.tar keep"},
		{"", "docker import rootfs.tar imported"},
		{"docker tag keep REGISTRY/keep:1", "docker push -q REGISTRY/keep:1"},
		{"docker push -q REGISTRY/keep:1; docker rmi -f REGISTRY/keep:1 keep", "docker pull -q REGISTRY/keep:1"},
		{"", "docker build -q --build-arg N=ROUND -t built ."},
		{"docker run --network none keep true; docker tag keep tagged", "docker system prune -f --volumes"},
	}
	a.do("cove import -c 'VOLUME /etc' rootfs.tar keep; cove save -o saved.tar keep")
	rounds := 20
	if os.Getenv("COVE_SOAK") == "" { // each fourth verb, once
		rounds = 1
		for i := range verbs {
			if i%4 == 2 {
				verbs[i/4] = verbs[i]
			}
		}
		verbs = verbs[:len(verbs)/4]
	}
	took := make([]time.Duration, len(verbs))
	kills, midway := 0, 0
	round := func(of string, where func(verb int) float64) {
		a.serve()
		a.do(a.line("docker load -q -i saved.tar; docker run -d --name on --network none keep sleep 100000"))
		life := a.do(a.line("docker inspect -f '{{.State.Pid}} {{.State.StartedAt}}' on"))
		for i, v := range verbs {
			r := strings.NewReplacer("REGISTRY", registry, "ROUND", of)
			a.do("(cove rm -f cc another; cove network rm net; cove load -i saved.tar; cove tag keep " + registry + "/keep:1) >/dev/null 2>&1; true")
			if v.before != "" {
				a.do(a.line("(" + r.Replace(v.before) + ") >/dev/null"))
			}
			if where == nil {
				begun := time.Now()
				_ = a.command(a.line(r.Replace(v.verb))).Run() // a pull of what is there, and an attach that is ended
				took[i] = time.Since(begun)
				continue
			}
			if kills++; a.kill(r.Replace(v.verb), time.Duration(where(i)*float64(took[i]))) {
				midway++
			}
			a.serve()
			if now := a.do(a.line("docker ps -a >/dev/null && docker inspect -f '{{.State.Pid}} {{.State.StartedAt}}' on")); now != life {
				t.Errorf("%s: another life, %q, than before, %q", v.verb, now, life)
			}
		}
		a.do(a.line("(docker network rm net; docker rm -f on) >/dev/null 2>&1; true"))
		a.stop(os.Interrupt)
		a.clear()
	}
	round("0", nil)
	before, machine := a.files(), a.machine()
	for n := range rounds {
		round(fmt.Sprint(n+1), func(verb int) float64 {
			return (float64((verb*7+n*3)%20) + 0.5) / 20 // another moment of each in each round
		})
	}
	t.Logf("%d kills, %d of them in the middle of a verb", kills, midway)
	for _, name := range a.files() {
		if !slices.Contains(before, name) {
			t.Error("left behind: ", name)
		}
	}
	for _, what := range a.machine() {
		if !slices.Contains(machine, what) {
			t.Error("left behind: ", what)
		}
	}
}
