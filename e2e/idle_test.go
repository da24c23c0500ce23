package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// activation is what systemd does with a socket: it listens, and starts a server when
// somebody comes and none runs.
type activation struct {
	served
	socket *os.File
	log    bytes.Buffer
}

func newActivation(t *testing.T) *activation {
	t.Helper()
	bin, dir := binDir(t), t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	socket, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &activation{socket: socket, served: served{env: append(
		os.Environ(), "DOCKER_HOST=unix://"+filepath.Join(dir, "s"), "DOCKER_CONFIG="+filepath.Join(dir, "config"),
		"COVE_ROOT="+filepath.Join(dir, "root"), "PATH="+bin+":"+os.Getenv("PATH"),
	)}}
}

// start starts a server on the socket, which ends when it was idle for a while.
func (a *activation) start(t *testing.T, idle time.Duration) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec cove api serve --idle "+idle.String())
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = a.env, &a.log, []*os.File{a.socket}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, if all went well
	return cmd
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// TestIdleAPI: a server that was used and is asked nothing takes no more than 25 MB. It
// ends by itself, its containers run on, and the next who comes is served by another.
func TestIdleAPI(t *testing.T) {
	t.Parallel()
	cli, a := docker(t, "28.2"), newActivation(t)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	const idle = 6 * time.Second
	server := a.start(t, idle)
	out, err := a.run(t.Context(), string(body), cli+" import - box:1 && "+cli+" run -d --name on --network none box:1 sleep 1000 && "+
		cli+" run --rm --network none box:1 echo said && "+cli+" ps")
	if err != nil || !strings.Contains(out, "said\n") {
		t.Fatalf("%v\n%s%s", err, out, &a.log)
	}
	least := 1 << 30
	status := fmt.Sprintf("/proc/%d/status", server.Process.Pid)
	for text, err := os.ReadFile(status); err == nil; text, err = os.ReadFile(status) {
		m := resident.FindSubmatch(text)
		if m == nil {
			break // it has ended
		}
		kib, _ := strconv.Atoi(string(m[1]))
		least = min(least, kib<<10)
		time.Sleep(100 * time.Millisecond)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server that was idle: %v\n%s", err, &a.log)
	}
	if t.Logf("an idle server has %d KiB", least>>10); least > 25<<20 {
		t.Errorf("an idle server has %d bytes in memory, want 25 MiB", least)
	}
	asked := make(chan string, 1)
	go func() {
		out, err := a.run(contextOf(t), "", cli+" exec on echo still")
		asked <- fmt.Sprint(out, err)
	}()
	server = a.start(t, time.Second)
	if got := <-asked; got != "still\n<nil>" {
		t.Errorf("the second server: %s\n%s", got, &a.log)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the second server: %v\n%s", err, &a.log)
	}
	if out, err := a.run(t.Context(), "", "cove rm -f on"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
