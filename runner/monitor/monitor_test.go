package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/internal/leanjson"
	"cove/internal/process"
	"cove/layers/mount"
	"cove/network"
	"cove/runner/attach"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/sandboxtest"
)

// container is one whose monitor is this process.
type container struct {
	dir   record.Dir
	run   string
	first *attach.Conn
	ended chan error
}

// start records a container that runs a shell command and runs its monitor.
func start(t *testing.T, change func(*record.Config)) *container {
	t.Helper()
	root, id := t.TempDir(), fmt.Sprintf("%s-%d", strings.ToLower(t.Name()), os.Getpid())
	rootfs := filepath.Join(root, "rootfs")
	c := &container{dir: record.Of(root, id), run: filepath.Join(root, "run"), ended: make(chan error, 1)}
	sandboxtest.Root(t, rootfs, "sh")
	mkdir(t, string(c.dir))
	mkdir(t, filepath.Dir(c.dir.Socket(c.run)))
	cfg := record.Config{
		ID: id, Name: "box", Spec: sandboxtest.Spec(), Root: mount.Mount{Type: "bind", Source: rootfs},
		Network: network.Config{Mode: network.None},
	}
	cfg.Spec.Process.Env = nil
	change(&cfg)
	data, err := leanjson.Marshal(cfg)
	if err == nil {
		err = errors.Join(c.dir.Write("config.json", data, false), c.dir.Write("name", []byte(cfg.Name), false))
	}
	if err != nil {
		t.Fatal(err)
	}
	conn, theirs, err := attach.Pair()
	if err != nil {
		t.Fatal(err)
	}
	c.first = conn
	if err := conn.SendJSON(attach.TypeHello, attach.Hello{Kind: attach.Attach, Lossless: true}); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := Run(context.Background(), Options{Dir: c.dir, Run: c.run, First: theirs})
		c.ended <- err
	}()
	return c
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func script(text string) func(*record.Config) {
	return func(cfg *record.Config) { cfg.Spec.Process.Args = []string{"/bin/sh", "-c", text} }
}

// read collects what a client gets until the given packet.
func read(t *testing.T, conn *attach.Conn, until attach.Type) (out string, last attach.Packet) {
	t.Helper()
	for {
		p, err := conn.Receive(false)
		if err != nil {
			t.Fatalf("after %q: %v", out, err)
		}
		switch p.Type {
		case until:
			return out, p
		case attach.TypeStdout, attach.TypeStderr:
			out += string(p.Data)
		case attach.TypeFailed, attach.TypeExit:
			t.Fatalf("%c: %s", p.Type, p.Data)
		}
	}
}

func (c *container) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the monitor does not end")
	}
	if _, err := os.Stat(c.dir.Socket(c.run)); err == nil {
		t.Error("its socket is left")
	}
}

func TestRun(t *testing.T) {
	c := start(t, func(cfg *record.Config) {
		script("read line; echo out $line; echo err >&2; exit 3")(cfg)
		cfg.OpenStdin = true
	})
	read(t, c.first, attach.TypeStarted)
	st, err := c.dir.State()
	if err != nil || st.Status != record.Running || st.Pid == 0 || st.Monitor != os.Getpid() {
		t.Errorf("while it runs: %+v, %v", st, err)
	}
	if !c.dir.Held(record.MonitorLock) || c.dir.Holder(record.MonitorLock) != process.Self() {
		t.Error("the monitor holds no lock")
	}
	waiting, err := attach.Dial(c.dir.Socket(c.run), attach.Hello{Kind: attach.Wait})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.first.Send(attach.TypeStdin, []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	out, last := read(t, c.first, attach.TypeExit)
	var status record.ExitStatus
	if err := json.Unmarshal(last.Data, &status); err != nil || status.Code != 3 || !strings.Contains(out, "out line\n") || !strings.Contains(out, "err\n") {
		t.Errorf("%q, %+v, %v", out, status, err)
	}
	if _, again := read(t, waiting, attach.TypeExit); !bytes.Equal(again.Data, last.Data) {
		t.Errorf("another client is told %s", again.Data)
	}
	c.wait(t)
	st, err = c.dir.State()
	if err != nil || st.Status != record.Exited || st.ExitCode != 3 || st.Pid != 0 {
		t.Errorf("at the end: %+v, %v", st, err)
	}
	if log, err := os.ReadFile(c.dir.Log()); err != nil || !bytes.Contains(log, []byte(`out line\n`)) {
		t.Errorf("the log: %s, %v", log, err)
	}
}

func TestExec(t *testing.T) {
	c := start(t, script("while :; do read x < /dev/zero; done"))
	read(t, c.first, attach.TypeStarted)
	for name, tt := range map[string]struct {
		cfg  record.ExecConfig
		code int
		out  string
		says string // of a failure
	}{
		"works":          {record.ExecConfig{Args: []string{"/bin/sh", "-c", "echo $A; exit 5"}, Env: []string{"A=b"}}, 5, "b\n", ""},
		"without":        {record.ExecConfig{Args: []string{"/bin/sh", "-c", "echo ${A-none}"}, Env: []string{"A=b", "A"}}, 0, "none\n", ""},
		"no program":     {record.ExecConfig{Args: []string{"/nosuch"}}, 127, "", "/nosuch"},
		"no directory":   {record.ExecConfig{Args: []string{"/bin/sh"}, Cwd: "/nosuch"}, 126, "", "/nosuch"},
		"no user":        {record.ExecConfig{Args: []string{"/bin/sh"}, User: "nosuch"}, 126, "", `"nosuch"`},
		"user by number": {record.ExecConfig{Args: []string{"/bin/sh", "-c", `while read k v r; do [ "$k" != Uid: ] || echo $v; done < /proc/self/status`}, User: "7"}, 0, "7\n", ""},
	} {
		out, theirs, err := task.Pipe(true)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := attach.Dial(c.dir.Socket(c.run), attach.Hello{Kind: attach.Exec, Exec: &tt.cfg}, theirs, theirs)
		theirs.Close()
		if err != nil {
			t.Fatal(err)
		}
		p, err := conn.Receive(false)
		if err != nil || p.Type != attach.TypeWelcome {
			t.Fatalf("%s: no welcome: %c, %v", name, p.Type, err)
		}
		p, err = conn.Receive(false)
		if err == nil && p.Type == attach.TypeStarted {
			p, err = conn.Receive(false)
		}
		var exit struct {
			Code int
			Msg  string
		}
		if err != nil || json.Unmarshal(p.Data, &exit) != nil || exit.Code != tt.code || !strings.Contains(exit.Msg, tt.says) || (p.Type == attach.TypeFailed) != (tt.says != "") {
			t.Errorf("%s: %c %s, %v", name, p.Type, p.Data, err)
		}
		if text, err := io.ReadAll(out); err != nil || string(text) != tt.out {
			t.Errorf("%s: it wrote %q, %v", name, text, err)
		}
		conn.Close()
		out.Close()
	}
	st, err := c.dir.State()
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.FindProcess(st.Pid)
	if err == nil {
		err = first.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, last := read(t, c.first, attach.TypeExit); !strings.Contains(string(last.Data), "137") {
		t.Errorf("%s", last.Data)
	}
	c.wait(t)
}

func TestCannotStart(t *testing.T) {
	c := start(t, func(cfg *record.Config) { cfg.Spec.Process.Args = []string{"/nosuch"} })
	_, p := read(t, c.first, attach.TypeFailed)
	var failed record.StartError
	if err := json.Unmarshal(p.Data, &failed); err != nil || failed.Code != 127 || !strings.Contains(failed.Msg, "/nosuch") {
		t.Errorf("%s, %v", p.Data, err)
	}
	c.wait(t)
	if st, err := c.dir.State(); err != nil || st.Status != record.Created || st.ExitCode != 127 || st.Error == "" {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestAutoRemove(t *testing.T) {
	c := start(t, func(cfg *record.Config) {
		script("exit 0")(cfg)
		cfg.AutoRemove = true
	})
	read(t, c.first, attach.TypeExit)
	c.wait(t)
	if _, err := os.Stat(string(c.dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its record is left: %v", err)
	}
}

// TestSlowClient sends more than a socket holds to a client that reads later.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	for _, lossless := range []bool{true, false} {
		conn, theirs, err := attach.Pair()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := attach.FromFile(theirs)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(ours, attach.Hello{Kind: attach.Attach, Lossless: lossless}, t.TempDir())
		const packets = 200
		for i := range packets {
			c.send(attach.TypeStdout, bytes.Repeat([]byte{byte(i)}, attach.MaxData))
		}
		go c.finish(attach.TypeExit, record.ExitStatus{Code: 7})
		for i := range packets {
			p, err := conn.Receive(true)
			if err != nil || p.Type != attach.TypeStdout || len(p.Data) != attach.MaxData || p.Data[0] != byte(i) {
				t.Fatalf("packet %d: %c, %d bytes, %v", i, p.Type, len(p.Data), err)
			}
		}
		if p, err := conn.Receive(true); err != nil || p.Type != attach.TypeExit {
			t.Errorf("the end: %c, %v", p.Type, err)
		}
		if _, err := conn.Receive(true); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		conn.Close()
	}
}
