package notify

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// host is the socket of a service's supervisor.
func host(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv(variable, path)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// say is what the container's process does.
func say(t *testing.T, dir, text string) {
	t.Helper()
	c, err := net.Dial("unixgram", filepath.Join(directory(dir), socket))
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Error(err)
	}
}

// TestReady: only that the process is ready is handed on, with who it is unless whoever
// starts it stays the service.
func TestReady(t *testing.T) {
	for pid, want := range map[int]string{0: "READY=1\n", 77: "READY=1\nMAINPID=77\n"} {
		supervisor, dir := host(t), t.TempDir()
		p := &specs.Process{}
		if err := Prepare(dir, p); err != nil {
			t.Fatal(err)
		}
		if len(p.Env) != 1 || p.Env[0] != "NOTIFY_SOCKET=/run/notify/notify.sock" {
			t.Errorf("%q", p.Env)
		}
		proxy, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- proxy.Run(pid, func() bool { return false }) }()
		say(t, dir, "STATUS=not yet\nMAINPID=1")
		say(t, dir, "STATUS=here\nREADY=1\n")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		n, err := supervisor.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v, want %q", buf[:n], err, want)
		}
		if _, err := os.Stat(proxy.path); !os.IsNotExist(err) {
			t.Errorf("the socket is left: %v", err)
		}
	}
}

// TestNobody: a process that ends without a word is waited for no longer, and without a
// supervisor nothing is opened.
func TestNobody(t *testing.T) {
	host(t)
	dir := t.TempDir()
	if err := Prepare(dir, &specs.Process{}); err != nil {
		t.Fatal(err)
	}
	proxy, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Run(1, func() bool { return true }); err != nil {
		t.Error(err)
	}
	if again, err := Listen(t.TempDir()); again != nil || err != nil {
		t.Errorf("a container without a place: %v, %v", again, err)
	}
	t.Setenv(variable, "")
	if Wanted() {
		t.Error("nobody waits")
	}
	none, err := Listen(dir)
	if none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
	if err := none.Run(1, nil); err != nil {
		t.Error(err)
	}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// TestSupervisorGone: what cannot be handed on is told, with the variable.
func TestSupervisorGone(t *testing.T) {
	t.Setenv(variable, filepath.Join(t.TempDir(), "none"))
	if err := tell(1); err == nil || !strings.Contains(err.Error(), variable) {
		t.Errorf("%v", err)
	}
}
